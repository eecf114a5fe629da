//! The golden files: their form, and the weights and batches with which they were made.

use std::{collections::BTreeMap, fs, path::Path};

use gptlab_engine::{Noise, StepHyper};
use gptlab_model::{Batch, Graph, Model, ModelSpec, Param, ParamInit, lower, random::Stream};
use gptlab_recipe::{Decay, Optimizer};
use serde::Deserialize;

/// Numbers by parameter name.
pub(crate) type Tensors = BTreeMap<String, Vec<f64>>;

/// One file: a model, its inputs, and PyTorch's results.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Golden {
    pub(crate) name: String,
    /// The program and its version, for readers.
    #[serde(rename = "made_by")]
    _made_by: String,
    pub(crate) spec: ModelSpec,
    pub(crate) vocab_size: usize,
    /// The seed of the initial weights.
    pub(crate) seed: u64,
    /// The spread of initial gains around 1 and of initial biases around 0.
    pub(crate) jitter: f64,
    pub(crate) weights_fnv1a_64: String,
    pub(crate) noise: Masks,
    pub(crate) batch: Sequences,
    /// The indices of the gradient entries in the file, if it does not hold all.
    pub(crate) sample: Option<BTreeMap<String, Vec<usize>>>,
    pub(crate) double: Numbers,
    pub(crate) single: Numbers,
    pub(crate) sway: Sway,
    pub(crate) train: Option<Train>,
}

/// Sequences of T + 1 tokens: T inputs, each followed by its target.
pub(crate) type Sequences = Vec<Vec<u32>>;

/// The key of dropout masks.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Masks {
    pub(crate) seed: u64,
    pub(crate) step: u32,
}

/// The results of one forward and backward pass.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Numbers {
    pub(crate) loss: f64,
    /// The loss without dropout.
    pub(crate) eval_loss: f64,
    pub(crate) grad_norm: f64,
    /// The norm of each tensor's gradient, if `grads` holds a sample.
    pub(crate) grad_norms: Option<BTreeMap<String, f64>>,
    pub(crate) grads: Tensors,
}

/// The largest change of each of [`Numbers`] when the weights change by a float32's last bit.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sway {
    pub(crate) loss: f64,
    pub(crate) eval_loss: f64,
    pub(crate) grad_norm: f64,
    pub(crate) grad_norms: Option<BTreeMap<String, f64>>,
    pub(crate) grads: BTreeMap<String, f64>,
}

/// The settings and the results of some training steps.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Train {
    pub(crate) hyper: Hyper,
    pub(crate) lrs: Vec<f64>,
    pub(crate) batches: Vec<Sequences>,
    /// The entries that drift with rounding noise, without effect; see `adrift` in `make.py`.
    pub(crate) adrift: BTreeMap<String, Vec<usize>>,
    pub(crate) double: Course<Vec<f64>, Vec<f64>>,
    pub(crate) single: Course<Vec<f64>, f64>,
    pub(crate) sway: Course<f64, f64>,
}

/// The results of every step, and the final weights, or the error of each.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Course<S, W> {
    pub(crate) losses: S,
    pub(crate) grad_norms: S,
    #[serde(alias = "weights_off")]
    pub(crate) weights: BTreeMap<String, W>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hyper {
    pub(crate) beta1: f64,
    pub(crate) beta2: f64,
    pub(crate) eps: f64,
    pub(crate) weight_decay: f64,
    pub(crate) decay: Decays,
    pub(crate) grad_clip: Option<f64>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Decays {
    Everything,
    Matrices,
}

impl Hyper {
    /// Returns the step with index `step`, counted from 0.
    pub(crate) fn at(&self, step: usize, lr: f64) -> StepHyper {
        StepHyper {
            optimizer: Optimizer::AdamW,
            update: step as u64 + 1,
            lr,
            beta1: self.beta1,
            beta2: self.beta2,
            eps: self.eps,
            weight_decay: self.weight_decay,
            decay: match self.decay {
                Decays::Everything => Decay::Everything,
                Decays::Matrices => Decay::Matrices,
            },
            grad_clip: self.grad_clip,
        }
    }
}

/// Returns all goldens, sorted by name. Panics if there are none.
pub(crate) fn all() -> Vec<Golden> {
    // The suites of other engines read these files as well.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/tests/golden");
    let entries = fs::read_dir(&folder).expect("the folder of goldens");
    let paths = entries.map(|entry| entry.expect("an entry of the folder").path());
    let json = paths.filter(|path| path.extension().is_some_and(|e| e == "json"));
    let mut goldens: Vec<Golden> = json.map(|path| read(&path)).collect();
    assert!(!goldens.is_empty(), "no golden in {}", folder.display());
    goldens.sort_by(|a, b| a.name.cmp(&b.name));
    goldens
}

fn read(path: &Path) -> Golden {
    let text = fs::read_to_string(path).expect("a golden that can be read");
    let parsed: Result<Golden, _> = serde_json::from_str(&text);
    let golden = parsed.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    assert!(
        path.ends_with(format!("{}.json", golden.name)),
        "{}",
        path.display()
    );
    golden
}

impl Golden {
    pub(crate) fn model(&self) -> Model {
        let checked = self.spec.check(self.vocab_size);
        checked.unwrap_or_else(|e| panic!("{}: {e}", self.name))
    }

    pub(crate) fn graph(&self) -> Graph {
        lower(&self.model())
    }

    pub(crate) fn batch(&self, sequences: &[Vec<u32>]) -> Batch {
        let pairs = sequences.iter().map(|s| (&s[..s.len() - 1], &s[1..]));
        let packed = Batch::new(&self.model(), pairs);
        packed.unwrap_or_else(|e| panic!("{}: {e}", self.name))
    }

    /// Returns the noise of training step `step`.
    pub(crate) fn noise(&self, step: u32) -> Noise {
        let seed = self.noise.seed;
        Noise { seed, step }
    }

    /// Returns the initial weights, in table order: `ParamTable::initial`, with gains at
    /// `1 + jitter * n` and biases at `jitter * n`, so that a missing one is visible.
    pub(crate) fn weights(&self, graph: &Graph) -> Vec<f32> {
        let params = graph.params();
        let begin = |init: ParamInit, n: f64| match init {
            ParamInit::Normal { std } => std * n,
            ParamInit::Ones => 1.0 + self.jitter * n,
            ParamInit::Zeros => self.jitter * n,
        };
        let tensor = |p: &Param| -> Vec<f32> {
            let stream = Stream::new(self.seed, &format!("init/{}", p.name), 0);
            let draws = (0..p.len() as u64).map(|i| stream.normal_at(i));
            draws.map(|n| begin(p.init, n) as f32).collect()
        };
        let weights: Vec<f32> = params.iter().flat_map(tensor).collect();
        let (found, expected) = (fingerprint(graph, &weights), &self.weights_fnv1a_64);
        assert_eq!(
            &found, expected,
            "{}: other weights than its maker's",
            self.name
        );
        weights
    }
}

/// Returns FNV-1a over the little-endian bytes of every tensor, sorted by name.
fn fingerprint(graph: &Graph, weights: &[f32]) -> String {
    let mut params: Vec<_> = graph.params().iter().collect();
    params.sort_by(|a, b| a.name.cmp(&b.name));
    let numbers = params.iter().flat_map(|p| &weights[p.range()]);
    let bytes = numbers.flat_map(|x| x.to_le_bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}
