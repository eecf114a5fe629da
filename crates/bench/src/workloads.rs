//! The table of workloads.

use gptlab_kernels::OperandType;
use gptlab_model::Preset;

use crate::{Baselines, Error, Peer, PublishedTime, Task, Workload, WorkloadShape};

pub(crate) const MINI: WorkloadShape = WorkloadShape {
    preset: Preset::Gpt2Mini,
    n_layer: 4,
    n_head: 4,
    n_embd: 128,
    block_size: 256,
    dropout: 0.0,
};

const TEN_MILLION: WorkloadShape = WorkloadShape {
    preset: Preset::Nano,
    n_layer: 6,
    n_head: 6,
    n_embd: 384,
    block_size: 256,
    dropout: 0.0,
};

const GPT2: WorkloadShape = WorkloadShape {
    preset: Preset::Gpt2,
    n_layer: 12,
    n_head: 12,
    n_embd: 768,
    block_size: 1024,
    dropout: 0.0,
};

const MICRO: WorkloadShape = WorkloadShape {
    preset: Preset::Microgpt,
    n_layer: 1,
    n_head: 4,
    n_embd: 16,
    block_size: 16,
    dropout: 0.0,
};

const CHARACTERS: usize = 65;

const MINI_BATCH: Task = Task::Windows {
    vocab_size: CHARACTERS,
    batch: 32,
};

const TEN_MILLION_BATCH: Task = Task::Windows {
    vocab_size: CHARACTERS,
    batch: 16,
};

const GPT2_BATCH: Task = Task::Windows {
    vocab_size: 50_257,
    batch: 1,
};

const ONE_TEXT: Task = Task::Generate {
    vocab_size: CHARACTERS,
    texts: 1,
};

const fn training(name: &'static str, switches: &'static [&'static str]) -> Peer {
    Peer {
        name,
        script: "step.py",
        switches,
        tuned_allocator: true,
        goal: None,
    }
}

const fn generating(name: &'static str, switches: &'static [&'static str]) -> Peer {
    Peer {
        script: "generate.py",
        ..training(name, switches)
    }
}

/// PyTorch's fused kernels, eager and compiled. `--no-bias` and `--gelu` give its model our
/// parameters.
const BEST: &[Peer] = &[
    training(
        "PyTorch, fused",
        &["--attention", "sdpa", "--optimizer", "fused"],
    ),
    training(
        "PyTorch, fused, compiled",
        &["--attention", "sdpa", "--optimizer", "fused", "--compile"],
    ),
];

const BEST_BF16: &[Peer] = &[
    training(
        "PyTorch, fused, autocast",
        &["--attention", "sdpa", "--optimizer", "fused", "--bf16"],
    ),
    training(
        "PyTorch, fused, autocast, compiled",
        &[
            "--attention",
            "sdpa",
            "--optimizer",
            "fused",
            "--bf16",
            "--compile",
        ],
    ),
];

/// The program of gpt2-mini, run as a user would run it.
const SEED: &[Peer] = &[
    Peer {
        tuned_allocator: false,
        goal: Some(9.0),
        ..training("PyTorch, gpt2-mini's recipe, as installed", &[])
    },
    Peer {
        goal: Some(4.5),
        ..training("PyTorch, gpt2-mini's recipe, tuned allocator", &[])
    },
];

const DECODERS: &[Peer] = &[
    generating(
        "PyTorch, cached, 1 thread",
        &["--attention", "eager", "--threads", "1"],
    ),
    generating(
        "PyTorch, cached, fused, 1 thread",
        &["--attention", "sdpa", "--threads", "1"],
    ),
    generating(
        "PyTorch, cached, 2 threads",
        &["--attention", "eager", "--threads", "2"],
    ),
    generating(
        "PyTorch, cached, fused, 2 threads",
        &["--attention", "sdpa", "--threads", "2"],
    ),
];

/// PyTorch's fastest programs, one in f32: over a single row, bf16 takes two to four times as long.
const DECODERS_BF16: &[Peer] = &[
    generating(
        "PyTorch in f32, cached, fused, 1 thread",
        &["--attention", "sdpa", "--threads", "1"],
    ),
    generating(
        "PyTorch in bf16, cached, 1 thread",
        &["--attention", "eager", "--threads", "1", "--bf16"],
    ),
    generating(
        "PyTorch in bf16, cached, fused, 1 thread",
        &["--attention", "sdpa", "--threads", "1", "--bf16"],
    ),
];

const fn best_decoder(of: &'static [Peer]) -> Baselines {
    Baselines::Best {
        goal: Some(10.0),
        of,
    }
}

/// The fastest known microgpt engine, measured once on the machine that the table's legend names.
const fn hand_vectorised(seconds: f64) -> Baselines {
    Baselines::Published(PublishedTime {
        of: "hand-vectorised C (quoted)",
        seconds,
        goal: 2.0,
    })
}

/// All workloads, in the order in which they run.
pub const ALL: &[Workload] = &[
    Workload {
        name: "mini",
        summary: "gpt2-mini at its defaults, dropout 0.1",
        shape: WorkloadShape {
            dropout: 0.1,
            ..MINI
        },
        task: MINI_BATCH,
        precision: OperandType::F32,
        baselines: Baselines::Each(SEED),
    },
    Workload {
        name: "mini-nodrop",
        summary: "gpt2-mini without dropout",
        shape: MINI,
        task: MINI_BATCH,
        precision: OperandType::F32,
        baselines: Baselines::Best {
            goal: Some(3.0),
            of: BEST,
        },
    },
    Workload {
        name: "mini-bf16",
        summary: "the same in bf16",
        shape: MINI,
        task: MINI_BATCH,
        precision: OperandType::Bf16,
        baselines: Baselines::Best {
            goal: Some(2.5),
            of: BEST_BF16,
        },
    },
    Workload {
        name: "10m",
        summary: "nanoGPT's Shakespeare model without dropout",
        shape: TEN_MILLION,
        task: TEN_MILLION_BATCH,
        precision: OperandType::F32,
        baselines: Baselines::Best {
            goal: Some(2.3),
            of: BEST,
        },
    },
    Workload {
        name: "10m-bf16",
        summary: "the same in bf16",
        shape: TEN_MILLION,
        task: TEN_MILLION_BATCH,
        precision: OperandType::Bf16,
        baselines: Baselines::Best {
            goal: Some(1.7),
            of: BEST_BF16,
        },
    },
    Workload {
        name: "124m",
        summary: "GPT-2's smallest without dropout",
        shape: GPT2,
        task: GPT2_BATCH,
        precision: OperandType::F32,
        baselines: Baselines::Best {
            goal: Some(2.5),
            of: BEST,
        },
    },
    Workload {
        name: "124m-bf16",
        summary: "the same in bf16",
        shape: GPT2,
        task: GPT2_BATCH,
        precision: OperandType::Bf16,
        baselines: Baselines::Best {
            goal: Some(2.0),
            of: BEST_BF16,
        },
    },
    Workload {
        name: "micro-16",
        summary: "microgpt, 16 names, one core",
        shape: MICRO,
        task: Task::Names { batch: 16 },
        precision: OperandType::F32,
        baselines: hand_vectorised(88e-6),
    },
    Workload {
        name: "micro-64",
        summary: "microgpt of width 64, 16 names, one core",
        shape: WorkloadShape {
            n_embd: 64,
            ..MICRO
        },
        task: Task::Names { batch: 16 },
        precision: OperandType::F32,
        baselines: hand_vectorised(1_250e-6),
    },
    Workload {
        name: "generate",
        summary: "one text of gpt2-mini",
        shape: MINI,
        task: ONE_TEXT,
        precision: OperandType::F32,
        baselines: best_decoder(DECODERS),
    },
    Workload {
        name: "generate-bf16",
        summary: "the same in bf16",
        shape: MINI,
        task: ONE_TEXT,
        precision: OperandType::Bf16,
        baselines: best_decoder(DECODERS_BF16),
    },
    Workload {
        name: "generate-batch",
        summary: "64 texts of gpt2-mini at once",
        shape: MINI,
        task: Task::Generate {
            vocab_size: CHARACTERS,
            texts: 64,
        },
        precision: OperandType::F32,
        baselines: Baselines::Best {
            goal: None,
            of: DECODERS,
        },
    },
];

/// Returns the workloads with the names `names`, in the order of [`ALL`]; all of them if `names` is
/// empty.
///
/// # Errors
/// Returns an error if there is no workload with one of the names.
pub fn named(names: &[String]) -> Result<Vec<&'static Workload>, Error> {
    if let Some(unknown) = names.iter().find(|n| ALL.iter().all(|w| w.name != **n)) {
        return Err(Error::UnknownWorkload {
            name: unknown.clone(),
            known: ALL.iter().map(|w| w.name).collect(),
        });
    }
    let wanted = |w: &&Workload| names.is_empty() || names.iter().any(|n| n == w.name);
    Ok(ALL.iter().filter(wanted).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found_in_order() {
        let all = named(&[]).unwrap();
        assert_eq!(all.len(), ALL.len());
        let two = named(&["generate".into(), "mini".into()]).unwrap();
        assert_eq!(
            two.iter().map(|w| w.name).collect::<Vec<_>>(),
            ["mini", "generate"]
        );
        for (i, workload) in ALL.iter().enumerate() {
            assert!(ALL[..i].iter().all(|w| w.name != workload.name));
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known() {
        let error = named(&["mini".into(), "maxi".into()]).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("there is no workload `maxi`; there are mini, ")
        );
    }
}
