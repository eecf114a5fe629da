//! The command lines of the PyTorch programs.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use gptlab_model::Preset;

use crate::{Peer, Task, Workload};

/// The settings that make glibc's allocator keep the memory that a step frees for the next step.
const KEEP: [(&str, &str); 2] = [
    ("MALLOC_MMAP_THRESHOLD_", "1073741824"),
    ("MALLOC_TRIM_THRESHOLD_", "4294967296"),
];

/// A Python interpreter and the folder of its programs.
#[derive(Clone, Debug)]
pub struct PyTorch {
    /// The Python interpreter.
    pub python: PathBuf,
    /// The folder `bench/peers`, or a copy of it.
    pub scripts: PathBuf,
    /// The number of threads of the programs; `None` leaves the choice to PyTorch.
    pub threads: Option<usize>,
}

impl PyTorch {
    /// Returns the reason why the programs cannot run, if it is known before one is started.
    pub(crate) fn missing(&self) -> Option<String> {
        let folder = self.scripts.display();
        (!self.scripts.is_dir())
            .then(|| format!("there is no folder {folder}; run this from the repository"))
    }

    /// Returns the command that runs `peer` on `workload`.
    pub(crate) fn command(&self, workload: &Workload, peer: &Peer) -> Command {
        let mut command = self.program(peer.script);
        command.args(sizes(workload)).args(peer.switches);
        for (name, value) in KEEP {
            if peer.tuned_allocator {
                command.env(name, value);
            } else {
                command.env_remove(name);
            }
        }
        command
    }

    /// Returns the command that runs the file `script` of the folder.
    pub(crate) fn program(&self, script: &str) -> Command {
        let mut command = Command::new(&self.python);
        // An error arrives as an answer. The rest of standard error is noise from libraries.
        command.stderr(Stdio::null());
        command.arg(self.scripts.join(script));
        if let Some(threads) = self.threads {
            command.args(["--threads", &threads.to_string()]);
        }
        command
    }
}

/// Returns the arguments that give the peer's model the sizes of the workload.
fn sizes(workload: &Workload) -> Vec<String> {
    let shape = &workload.shape;
    let mut words: Vec<String> = [
        ("--n-layer", shape.n_layer),
        ("--n-head", shape.n_head),
        ("--n-embd", shape.n_embd),
        ("--block-size", shape.block_size),
    ]
    .into_iter()
    .chain(task(workload.task))
    .flat_map(|(flag, n)| [flag.to_owned(), n.to_string()])
    .collect();
    words.extend(["--dropout".to_owned(), shape.dropout.to_string()]);
    words.extend(details(shape.preset).iter().map(|s| (*s).to_owned()));
    words
}

fn task(task: Task) -> Vec<(&'static str, usize)> {
    match task {
        Task::Windows { vocab_size, batch } => {
            vec![("--vocab-size", vocab_size), ("--batch-size", batch)]
        }
        Task::Names { batch } => vec![("--batch-size", batch)],
        Task::Generate { vocab_size, texts } => {
            vec![("--vocab-size", vocab_size), ("--batch-size", texts)]
        }
    }
}

/// Returns the arguments for a preset that differs from gpt2-mini in more than sizes. A preset that
/// the peers cannot reproduce has another number of parameters and is refused for that.
fn details(preset: Preset) -> &'static [&'static str] {
    match preset {
        Preset::Nano | Preset::NanoLaptop => &["--no-bias"],
        Preset::Gpt2 | Preset::Gpt2Medium | Preset::Gpt2Large | Preset::Gpt2Xl => {
            &["--gelu", "tanh"]
        }
        Preset::Gpt2Mini | Preset::Microgpt | Preset::Modern => &[],
    }
}
