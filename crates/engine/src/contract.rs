//! The contract of every engine, in steps so large that a device need not copy gradients to the
//! host.

use std::{fmt, ops::Range};

use gptlab_model::{Batch, Graph};
use gptlab_recipe::{Decay, Optimizer};

use crate::{
    hook::Hook,
    reduce::{Alone, Reduce, ReduceError},
    trace::Trace,
};

/// Runs one lowered model: holds its weights, gradients and the optimiser's state.
///
/// A step has three phases. [`Engine::accumulate`] runs parts of a batch (all of it, micro-batches
/// one after another, or this engine's share of it among several engines); [`Engine::reduce`] makes
/// one sum of the parts' gradients; [`Engine::update`] takes the optimiser's step. Sums are ordered
/// by the rows of the whole batch, so that parts make the same bits as the whole.
/// [`QueuedSteps`] makes all three of a whole batch without waiting for the device.
///
/// ```
/// use gptlab_engine::{Backend, BackendOptions, Noise, StepHyper, cpu::CpuBackend, untouched};
/// use gptlab_model::{Batch, Preset, lower};
/// use gptlab_recipe::{Decay, Optimizer};
///
/// let model = Preset::Microgpt.spec().check(27)?;
/// let graph = lower(&model);
/// let weights = graph.params().initial(0);
/// let options = BackendOptions::default();
/// let mut engine = CpuBackend::default().engine(graph, &weights, options)?;
///
/// // Three steps on one name.
/// let batch = Batch::new(&model, [(&[0, 5, 13, 13, 1][..], &[5, 13, 13, 1, 0][..])])?;
/// let before = engine.evaluate(&batch);
/// for step in 0..3 {
///     engine.forward_backward(&batch, Noise { seed: 0, step });
///     engine.update(&StepHyper {
///         optimizer: Optimizer::AdamW,
///         update: u64::from(step) + 1,
///         lr: 0.01,
///         beta1: 0.9,
///         beta2: 0.99,
///         eps: 1e-8,
///         weight_decay: 0.0,
///         decay: Decay::Everything,
///         grad_clip: Some(1.0),
///     });
/// }
/// assert!(engine.evaluate(&batch) < before);
///
/// // A hook sees, and may change, what every node computes: here, the first block writes nothing.
/// let out = engine.graph().find("block0.mlp.out").ok_or("a block has an MLP")?;
/// let whole = engine.trace(&batch, &mut untouched);
/// let ablated = engine.losses_with(&batch, &mut |id, _, value| {
///     if id == out {
///         value.fill(0.0);
///     }
/// });
/// assert_ne!(whole.losses(), ablated);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Engine: fmt::Debug + Send {
    /// Returns the model that the engine runs.
    fn graph(&self) -> &Graph;

    /// Returns the number of host threads in use: fewer than requested if the system starts no
    /// more. No result depends on it.
    fn threads(&self) -> usize {
        1
    }

    /// Returns the reason, in a sentence, why the device has stopped computing, if it has (a
    /// graphics driver can be reset, or run out of memory). Losses and exported numbers are then
    /// NaN.
    fn failure(&self) -> Option<String> {
        None
    }

    /// Returns a part of `batch` that begins with sequence `first` and has about `sequences`
    /// sequences, or fewer at the end of the batch. Consecutive parts of this kind compute the same
    /// bits as the whole batch.
    fn part(&self, batch: &Batch, first: usize, sequences: usize) -> Range<usize>;

    /// Returns share `index` of `count` of `batch`, as a range of its sequences. Each of `count`
    /// engines accumulates its share; reduced in order, their gradients have the bits that one
    /// engine computes. Shares cover the batch in order; some are empty if there are more engines
    /// than an engine has partial sums.
    fn share(&self, batch: &Batch, index: usize, count: usize) -> Range<usize>;

    /// Runs the sequences `part` of `batch` forward and backward, and accumulates their share of
    /// the gradients of the mean loss of the whole batch. Parts of one batch must follow each other
    /// in order, and must lie in this engine's share if there are several engines. Dropout draws
    /// from `noise` by the row in the whole batch. `losses` holds one number per token of `batch`,
    /// in nats; those of `part` are set.
    fn accumulate(&mut self, batch: &Batch, part: Range<usize>, noise: Noise, losses: &mut [f64]);

    /// Adds up the gradients accumulated since the last call, with those of other engines if
    /// `others` has any. The gradients ([`Slot::Gradients`]) are complete only after this call.
    ///
    /// # Errors
    /// Returns an error when `others` fails; the gradients are then unusable.
    fn reduce(&mut self, others: &mut dyn Reduce) -> Result<(), ReduceError>;

    /// Trains on all of `batch` with this engine alone: adds the gradients of the mean loss to the
    /// present gradients. Returns the mean loss in nats per token. Dropout draws from `noise`.
    fn forward_backward(&mut self, batch: &Batch, noise: Noise) -> f64 {
        let mut losses = vec![0.0; batch.tokens()];
        self.accumulate(batch, 0..batch.sequences(), noise, &mut losses);
        // A single engine has no other to wait for, so this cannot fail.
        let _ = self.reduce(&mut Alone);
        losses.iter().sum::<f64>() / losses.len() as f64
    }

    /// Returns the loss of every token of `batch` in nats, without dropout. The engine does not
    /// change.
    fn losses(&mut self, batch: &Batch) -> Vec<f64>;

    /// Returns the mean loss of `batch` in nats per token, without dropout. The engine does not
    /// change.
    fn evaluate(&mut self, batch: &Batch) -> f64 {
        let losses = self.losses(batch);
        losses.iter().sum::<f64>() / losses.len() as f64
    }

    /// Clips the gradients by their global norm, takes one step, and clears the gradients.
    fn update(&mut self, hyper: &StepHyper) -> StepStats;

    /// Returns the engine as one that makes steps without waiting for each; `None` if it computes
    /// with the host's own threads.
    fn queued(&mut self) -> Option<&mut dyn QueuedSteps> {
        None
    }

    /// Returns all numbers of `slot`, in the parameter table's order.
    fn export(&self, slot: Slot) -> Vec<f32>;

    /// Replaces all numbers of `slot`.
    ///
    /// # Errors
    /// Returns an error when the number of values differs from the parameter table's.
    fn import(&mut self, slot: Slot, values: &[f32]) -> Result<(), ImportError>;

    /// Runs `batch` without dropout, calls `hook` after every node, and returns the loss of every
    /// token in nats. Changes nothing of the engine. With [`crate::untouched`], the losses are
    /// those of [`Engine::losses`], to the bit.
    fn losses_with(&mut self, batch: &Batch, hook: &mut Hook) -> Vec<f64>;

    /// Runs [`Engine::losses_with`] and keeps every value, as the hook leaves it.
    fn trace(&mut self, batch: &Batch, hook: &mut Hook) -> Trace {
        let (rows, mut values) = (batch.tokens(), Vec::new());
        let losses = self.losses_with(batch, &mut |id, node, value| {
            hook(id, node, value);
            values.push(Matrix {
                rows,
                cols: node.width,
                values: value.to_vec(),
            });
        });
        Trace { values, losses }
    }
}

/// Training steps on a device that computes beside the host: the host prepares a step while the
/// device makes the one before.
pub trait QueuedSteps {
    /// Begins a training step on all of `batch`: [`Engine::forward_backward`] and
    /// [`Engine::update`], with their numbers, to the bit. Waits for the step that was begun before
    /// and returns its result, if [`QueuedSteps::end_step`] has not returned it. A loss that is not
    /// finite is seen only then, when the weights have changed.
    fn begin_step(&mut self, batch: &Batch, noise: Noise, hyper: &StepHyper) -> Option<StepResult>;

    /// Waits for the step that was begun last, and returns its result; `None` if it was returned
    /// before.
    fn end_step(&mut self) -> Option<StepResult>;
}

/// The key of dropout masks: the run's seed and the step's number. The part supplies the rows in
/// the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noise {
    /// The seed of the run.
    pub seed: u64,
    /// The index of the step, counted from 0.
    pub step: u32,
}

/// One of the four numbers that an engine holds for every parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    Weights,
    Gradients,
    /// The state of the optimiser, whose numbers are named by [`Optimizer::state`].
    State(StateSlot),
}

impl Slot {
    /// All slots.
    pub const ALL: [Self; 4] = [
        Self::Weights,
        Self::Gradients,
        Self::State(StateSlot::First),
        Self::State(StateSlot::Second),
    ];
}

/// An index into [`Optimizer::state`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateSlot {
    /// Adam's first moment, or the momentum of another optimiser.
    First,
    /// Adam's second moment.
    Second,
}

impl StateSlot {
    /// All indices, in the order of [`Optimizer::state`].
    pub const ALL: [Self; 2] = [Self::First, Self::Second];
}

/// Muon's momentum, as in Jordan 2024.
pub const MUON_MOMENTUM: f64 = 0.95;

/// The hyper-parameters of one optimiser step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepHyper {
    pub optimizer: Optimizer,
    /// The number of this update, counted from 1, for the bias correction.
    pub update: u64,
    /// The learning rate of this step.
    pub lr: f64,
    /// The decay rate of the first moment, or the momentum of SGD.
    pub beta1: f64,
    /// The decay rate of the second moment.
    pub beta2: f64,
    /// The epsilon of `AdamW`.
    pub eps: f64,
    /// The coefficient of decoupled weight decay.
    pub weight_decay: f64,
    /// The parameters that weight decay applies to.
    pub decay: Decay,
    /// The largest global gradient norm; gradients above it are scaled by
    /// `clip / (norm + 1e-6)`, as `clip_grad_norm_` does.
    pub grad_clip: Option<f64>,
}

/// The statistics of an update.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepStats {
    /// The global L2 norm of the gradients before clipping.
    pub grad_norm: f64,
    /// The factor by which clipping multiplied the gradients: 1 if they were not clipped, NaN if
    /// the norm is NaN.
    pub clip_factor: f64,
}

/// The result of a training step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepResult {
    /// [`Noise::step`] of the step.
    pub step: u32,
    /// The mean loss in nats per token.
    pub loss: f64,
    pub stats: StepStats,
}

impl StepStats {
    /// The statistics of an update that was not made, or whose device has stopped.
    pub const UNKNOWN: Self = Self {
        grad_norm: f64::NAN,
        clip_factor: f64::NAN,
    };

    /// Returns the clipping of PyTorch's `clip_grad_norm_`: the factor is
    /// `grad_clip / (grad_norm + 1e-6)`, and at most 1.
    pub fn clipped(grad_norm: f64, grad_clip: Option<f64>) -> Self {
        let factor = grad_clip.map_or(1.0, |most| (most / (grad_norm + 1e-6)).min(1.0));
        Self {
            grad_norm,
            // If the norm is NaN, the factor must not look as if no clipping was needed.
            clip_factor: if grad_norm.is_nan() { f64::NAN } else { factor },
        }
    }
}

/// A matrix of row-major numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    /// The number of rows.
    pub rows: usize,
    /// The number of columns.
    pub cols: usize,
    /// The numbers, `[rows, cols]`.
    pub values: Vec<f32>,
}

/// The reason why an engine refuses values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportError {
    /// The number of values differs from the parameter table's.
    Count { expected: usize, found: usize },
    /// The system has no memory for this many numbers of four bytes.
    Memory { numbers: usize },
    /// The device refuses, for the reason that the sentence gives.
    Device(String),
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count { expected, found } => write!(
                f,
                "the model has {expected} parameters; found {found} values"
            ),
            Self::Memory { numbers } => write!(
                f,
                "the system gave no memory for {numbers} numbers of 4 bytes; use a smaller model, or end other \
                 programs"
            ),
            Self::Device(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for ImportError {}
