//! The memory that training a model needs, and settings that would fit.

use gptlab_engine::{
    BackendOptions, Device,
    memory_need::{BatchShape, MemoryNeed, Texts, Training},
};
use gptlab_model::{Graph, ModelSpec, lower};
use gptlab_recipe::ObserveLevel;
use gptlab_recipe::Optimizer;
use gptlab_train::{Resolved, sample_documents, step_hyper};

use super::{Free, Need, fewer_threads, halves};
use crate::{args::TrainArgs, exit::CommandResult};

/// A model, the way in which it is trained, and additional work.
#[derive(Clone, Debug)]
pub(super) struct Trained {
    pub(super) graph: Graph,
    pub(super) device: Device,
    pub(super) batch_size: usize,
    /// The number of sequences of a batch that are trained at a time.
    pub(super) micro_batch: usize,
    /// The length of the longest sequence, in tokens.
    pub(super) length: usize,
    pub(super) optimizer: Optimizer,
    pub(super) observes: Observes,
    /// The samples; `None` if none are written.
    pub(super) samples: Option<Texts>,
}

/// How much of the training is observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Observes {
    Nothing,
    /// The weights and gradients.
    Parameters,
    /// The weights and gradients, and every value of a few sequences.
    Everything,
}

/// The number of sequences that are observed.
const OBSERVED: usize = 2;

impl Trained {
    pub(super) fn need(&self) -> Need {
        let observed = match self.observes {
            Observes::Nothing | Observes::Parameters => 0,
            Observes::Everything => OBSERVED.min(self.batch_size) * self.length,
        };
        let training = Training {
            shape: BatchShape {
                sequences: self.batch_size,
                tokens: self.length,
            },
            optimizer: self.optimizer,
            observed,
            micro_batch: self.micro_batch,
        };
        let engine = self.device.training_memory(&self.graph, training);
        if self.device.backend.free_memory(0).is_some() {
            // The copies are in the host's memory, and the generator beside the engine.
            let sample = self.samples.map_or(MemoryNeed::default(), |texts| {
                self.device.generation_memory(&self.graph, texts)
            });
            return Need::of(&engine.and(sample), 1);
        }
        // One copy is for saving, or for reading the state to continue from.
        let copy = MemoryNeed::copies(&self.graph, 1);
        let alone = self.device.with_options(BackendOptions::default());
        let sample = self
            .samples
            .map(|texts| copy.and(alone.generation_memory(&self.graph, texts)));
        // Observing an update keeps the weights from before it.
        let kept = match self.observes {
            Observes::Nothing => MemoryNeed::default(),
            Observes::Parameters | Observes::Everything => copy,
        };
        let engine = engine.and(kept);
        let all = |more: MemoryNeed| Need::of(&engine.and(more), self.device.options.threads);
        sample.map_or(all(copy), |sample| all(copy).or(all(sample)))
    }

    fn with_threads(&self, threads: usize) -> Self {
        Self {
            device: self.device.with_threads(threads),
            ..self.clone()
        }
    }

    fn with_micro_batch(&self, micro_batch: usize) -> Self {
        Self {
            micro_batch,
            ..self.clone()
        }
    }

    fn with_batch_size(&self, batch_size: usize) -> Self {
        Self {
            batch_size,
            ..self.clone()
        }
    }

    /// Returns the same with the model of `spec`; `None` if that makes no sense.
    fn with_spec(&self, spec: &ModelSpec) -> Option<Self> {
        let vocab_size = self.graph.vocab_size();
        Some(Self {
            graph: lower(&spec.check(vocab_size).ok()?),
            length: self.length.min(spec.block_size),
            ..self.clone()
        })
    }
}

/// Refuses a training that does not fit, with hints at settings that would.
pub(crate) fn check_training(
    resolved: &Resolved,
    args: &TrainArgs,
    device: &Device,
) -> CommandResult<()> {
    let trained = of_run(resolved, device);
    let trained = match args.run.micro_batch {
        Some(sequences) => trained.with_micro_batch(sequences),
        None => trained,
    };
    let need = trained.need();
    let free = Free::on(&*device.backend, need);
    free.check("training this model", need, || {
        let spec = &resolved.experiment.spec;
        // A resumed run keeps its settings, and a loaded model keeps its sizes.
        let batches = args.run.resume.is_none();
        let sizes = batches && args.run.load.is_none();
        let open = Open {
            micro_batches: true,
            batches,
            spec: sizes.then_some(spec),
        };
        hints(&free, &trained, open)
    })
}

fn of_run(resolved: &Resolved, device: &Device) -> Trained {
    let experiment = &resolved.experiment;
    let sampling = &experiment.sampling;
    // One more token is for the one before a document.
    let prompt = sampling.prompt.chars().count() + 1;
    let samples = experiment.intervals.sample.map(|_| Texts {
        count: sample_documents(&resolved.tokenizer) as usize,
        prompt,
        tokens: prompt.saturating_add(sampling.max_tokens),
    });
    Trained {
        graph: resolved.graph.clone(),
        device: device.clone(),
        batch_size: resolved.batches.batch_size(),
        micro_batch: resolved.batches.batch_size(),
        length: resolved.batches.block_size(),
        optimizer: step_hyper(&experiment.hyper, 0).optimizer,
        observes: Observes::from(experiment.observe),
        samples,
    }
}

impl From<ObserveLevel> for Observes {
    fn from(level: ObserveLevel) -> Self {
        match level {
            ObserveLevel::Off => Self::Nothing,
            ObserveLevel::Basic => Self::Parameters,
            ObserveLevel::Full => Self::Everything,
        }
    }
}

/// The settings that the hints can change.
#[derive(Clone, Copy)]
pub(super) struct Open<'a> {
    /// Whether a batch can be trained a few sequences at a time.
    pub(super) micro_batches: bool,
    /// Whether batches can be smaller.
    pub(super) batches: bool,
    /// The model, if it can be smaller.
    pub(super) spec: Option<&'a ModelSpec>,
}

/// Returns single settings that fit; if there are none, several together.
pub(super) fn hints(free: &Free, requested: &Trained, open: Open) -> Vec<String> {
    let fits = |trained: &Trained| free.fits(trained.need());
    let fit = |flags: &str, trained: &Trained| {
        let bytes = trained.need().memory;
        format!("`{flags}` needs about {}", super::size(bytes))
    };
    let mut found = Vec::from_iter(fewer_threads(free, requested.device.options.threads, |n| {
        requested.with_threads(n).need()
    }));
    if open.micro_batches {
        let mut fewer = halves(requested.micro_batch).map(|n| (n, requested.with_micro_batch(n)));
        let first = fewer.find(|(_, trained)| fits(trained));
        found.extend(first.map(|(n, trained)| {
            let fits = fit(&format!("--micro-batch {n}"), &trained);
            format!("{fits}, and changes no number")
        }));
    }
    if open.batches {
        let smaller = halves(requested.batch_size).map(|n| (n, requested.with_batch_size(n)));
        let first = smaller.into_iter().find(|(_, trained)| fits(trained));
        found.extend(first.map(|(n, trained)| fit(&format!("--batch-size {n}"), &trained)));
    }
    let Some(spec) = open.spec else {
        return found;
    };
    let shorter = shorter(requested, spec).find(|(_, trained)| fits(trained));
    found.extend(shorter.map(|(n, trained)| fit(&format!("--block-size {n}"), &trained)));
    let narrow = narrower(requested, spec).find(|(_, trained)| fits(trained));
    found.extend(narrow.map(|(n, trained)| fit(&format!("--n-embd {n}"), &trained)));
    if found.is_empty() {
        let least = requested.with_threads(1).with_batch_size(1);
        let narrow = narrower(&least, spec).find(|(_, trained)| fits(trained));
        found.extend(narrow.map(|(n, trained)| {
            let flags = format!("--threads 1 --batch-size 1 --n-embd {n}");
            fit(&flags, &trained)
        }));
    }
    found
}

/// Returns models with contexts of half the length, and so on.
fn shorter<'a>(
    requested: &'a Trained,
    spec: &'a ModelSpec,
) -> impl Iterator<Item = (usize, Trained)> + 'a {
    halves(requested.length).filter_map(move |block_size| {
        let spec = ModelSpec {
            block_size,
            ..spec.clone()
        };
        Some((block_size, requested.with_spec(&spec)?))
    })
}

/// Returns models of half the width, and so on, as far as their heads allow.
fn narrower<'a>(
    requested: &'a Trained,
    spec: &'a ModelSpec,
) -> impl Iterator<Item = (usize, Trained)> + 'a {
    let heads = spec.attentions().map(|attention| attention.heads);
    // Rotary positions rotate pairs.
    let step = 2 * heads.max().unwrap_or(1);
    halves(spec.n_embd).filter_map(move |width| {
        let width = width / step * step;
        if width == 0 {
            return None;
        }
        let mut spec = spec.clone();
        spec.set_width(width);
        Some((width, requested.with_spec(&spec)?))
    })
}

#[cfg(test)]
mod tests {
    use gptlab_engine::{Backend, Engine, ImportError, cpu::CpuBackend};
    use gptlab_model::Preset;

    use super::*;

    /// A device with 50 MiB of its own memory, which counts as the CPU does.
    #[derive(Debug)]
    struct Small(CpuBackend);

    impl Backend for Small {
        fn name(&self) -> &'static str {
            "gpu"
        }

        fn engine(
            &self,
            graph: Graph,
            weights: &[f32],
            options: BackendOptions,
        ) -> Result<Box<dyn Engine>, ImportError> {
            self.0.engine(graph, weights, options)
        }

        fn training_memory(
            &self,
            graph: &Graph,
            options: BackendOptions,
            training: Training,
        ) -> MemoryNeed {
            self.0.training_memory(graph, options, training)
        }

        fn evaluation_memory(
            &self,
            graph: &Graph,
            options: BackendOptions,
            shape: BatchShape,
        ) -> MemoryNeed {
            self.0.evaluation_memory(graph, options, shape)
        }

        fn free_memory(&self, wanted: u64) -> Option<u64> {
            Some(wanted.min(50 << 20))
        }

        fn hook_memory(&self, graph: &Graph, options: BackendOptions, tokens: usize) -> MemoryNeed {
            self.0.hook_memory(graph, options, tokens)
        }

        fn generation_memory(
            &self,
            graph: &Graph,
            options: BackendOptions,
            texts: Texts,
        ) -> MemoryNeed {
            self.0.generation_memory(graph, options, texts)
        }
    }

    #[test]
    fn a_device_with_its_own_memory_is_asked_and_the_settings_that_fit_are_named() {
        let spec = Preset::Gpt2Mini.spec();
        let model = spec.check(65).expect("a preset");
        let trained = Trained {
            graph: lower(&model),
            device: Device::new(Small(CpuBackend::default()), BackendOptions::default()),
            batch_size: 64,
            micro_batch: 64,
            length: 256,
            optimizer: Optimizer::AdamW,
            observes: Observes::Nothing,
            samples: None,
        };
        let need = trained.need();
        assert!(need.memory > 50 << 20, "{need:?}");
        let free = Free::on(&*trained.device.backend, need);
        let open = Open {
            micro_batches: true,
            batches: true,
            spec: Some(&spec),
        };
        let stop = free.check("training this model", need, || hints(&free, &trained, open));
        let stop = stop.expect_err("too little");
        assert!(
            stop.message
                .contains("50.0 MiB are free (limit: the memory of the gpu)"),
            "{}",
            stop.message
        );
        let all = stop.hints.join("\n");
        assert!(all.contains("`--batch-size "), "{all}");
        assert!(!all.contains("--threads"), "{all}");
    }
}
