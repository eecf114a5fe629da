//! The command lines of the PyTorch programs.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use gptlab_model::Preset;

use crate::{Peer, Task, Workload};

/// What glibc's allocator is told, so that it keeps what a step frees for the next one.
const KEEP: [(&str, &str); 2] = [
    ("MALLOC_MMAP_THRESHOLD_", "1073741824"),
    ("MALLOC_TRIM_THRESHOLD_", "4294967296"),
];

/// A Python and where its programs are.
#[derive(Clone, Debug)]
pub struct PyTorch {
    pub python: PathBuf,
    /// The folder `bench/peers`, or one that is like it.
    pub scripts: PathBuf,
    /// How many threads the programs use; `None` leaves that to PyTorch.
    pub threads: Option<usize>,
}

impl PyTorch {
    /// Returns the reason why its programs cannot be run, where that is known before any is
    /// started.
    pub(crate) fn missing(&self) -> Option<String> {
        let folder = self.scripts.display();
        (!self.scripts.is_dir())
            .then(|| format!("there is no folder {folder}; run this from the repository"))
    }

    /// Returns the command that runs `peer` on `workload`.
    pub(crate) fn command(&self, workload: &Workload, peer: &Peer) -> Command {
        let mut command = Command::new(&self.python);
        // What goes wrong comes as an answer; the rest is chatter of libraries.
        command.stderr(Stdio::null());
        command.arg(self.script(peer)).args(sizes(workload));
        if let Some(threads) = self.threads {
            command.args(["--threads", &threads.to_string()]);
        }
        command.args(peer.switches);
        for (name, value) in KEEP {
            if peer.tuned_allocator {
                command.env(name, value);
            } else {
                command.env_remove(name);
            }
        }
        command
    }

    fn script(&self, peer: &Peer) -> PathBuf {
        self.scripts.join(peer.script)
    }
}

/// Switches that make the peer's model ours.
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

/// Where a preset is not the seed in other sizes. One that the seed's recipe cannot be has other
/// parameters, and is told by their number.
fn details(preset: Preset) -> &'static [&'static str] {
    match preset {
        Preset::Nano | Preset::NanoLaptop => &["--no-bias"],
        Preset::Gpt2 | Preset::Gpt2Medium | Preset::Gpt2Large | Preset::Gpt2Xl => {
            &["--gelu", "tanh"]
        }
        Preset::Gpt2Mini | Preset::Stories | Preset::Microgpt | Preset::Modern => &[],
    }
}
