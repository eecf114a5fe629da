//! One workload, ours and its rivals' turns.

use std::{env, process::Command, thread, time::Duration};

use gptlab_kernels::Isa;

use super::{
    peers::Peers,
    report::{Beside, Measured},
    rounds::{Lane, Plan},
    turns::{Contender, Missing},
    work::Work,
    workloads::{Peer, Rivals, Workload},
};
use crate::{
    exit::{Outcome, Stop},
    printer::Printer,
};

/// Between turns: threads that wait for work spin for a while before they sleep.
const PAUSE: Duration = Duration::from_millis(250);

const INSTALL: &str =
    "`pip install -r bench/peers/requirements.txt`; --python names the Python that has it";

/// What every workload is run with.
pub(super) struct Race {
    pub(super) plan: Plan,
    pub(super) threads: usize,
    pub(super) isa: Isa,
    /// Where PyTorch runs as well; dropped when it turns out that it cannot.
    pub(super) peers: Option<Peers>,
    /// Who was to run and did not, and why.
    pub(super) left_out: Vec<String>,
    pub(super) printer: Printer,
}

impl Race {
    pub(super) fn run(&mut self, workload: &'static Workload) -> Outcome<Measured> {
        let work = Work::of(workload, self.threads, self.isa);
        let cost = work.cost()?;
        self.printer
            .note(format_args!("{}: {}", workload.name, workload.summary));
        let mut lanes = vec![self.ours(workload)?];
        lanes.extend(self.rivals(workload, cost.parameters));
        for _ in 0..self.plan.rounds {
            lanes = self.round(workload, lanes)?;
        }
        // Ours comes first, and only a peer can drop out.
        let ours = lanes.remove(0).series;
        let beside = |lane: Lane| Some(Beside::of(lane.peer?, lane.series, &ours));
        let peers = lanes.into_iter().filter_map(beside).collect();
        Ok(Measured::of(workload, &work, &cost, peers, ours))
    }

    /// A turn for everyone, in order. A peer that fails drops out with its reason.
    fn round(&mut self, workload: &Workload, lanes: Vec<Lane>) -> Outcome<Vec<Lane>> {
        let alone = lanes.len() == 1;
        let mut running = Vec::new();
        for mut lane in lanes {
            if !alone {
                thread::sleep(PAUSE);
            }
            match (lane.turn(self.plan), lane.peer) {
                (Ok(()), _) => running.push(lane),
                (Err(missing), Some(peer)) => self.leave_out(workload, peer, missing),
                (Err(missing), None) => return Err(broken(missing)),
            }
        }
        Ok(running)
    }

    /// Ourselves, as a process of its own whose memory is the workload's alone.
    fn ours(&self, workload: &Workload) -> Outcome<Lane> {
        let program = env::current_exe().map_err(|e| {
            Stop::failure(format_args!("cannot find this program to start it: {e}"))
        })?;
        let mut command = Command::new(program);
        command
            .args(["bench", "--one", workload.name, "--isa", self.isa.name()])
            .args(["--threads", &self.threads.to_string()]);
        Contender::start(&mut command)
            .and_then(|contender| Lane::warm(contender, None))
            .map_err(broken)
    }

    /// The PyTorch programs that run, warm.
    fn rivals(&mut self, workload: &Workload, parameters: usize) -> Vec<Lane> {
        let peers = match workload.rivals {
            Rivals::Each(peers) | Rivals::Best { of: peers, .. } => peers,
            Rivals::Quoted(_) => &[],
        };
        let mut running = Vec::new();
        for peer in peers {
            let Some(python) = &self.peers else { break };
            self.printer
                .note(format_args!("{}: starting {}", workload.name, peer.name));
            let started = Contender::start(&mut python.command(workload, peer))
                .and_then(|contender| same_model(contender, parameters))
                .and_then(|contender| Lane::warm(contender, Some(peer)));
            match started {
                Ok(lane) => running.push(lane),
                Err(missing) => self.leave_out(workload, peer, missing),
            }
        }
        running
    }

    fn leave_out(&mut self, workload: &Workload, peer: &Peer, missing: Missing) {
        let sentence = match missing {
            Missing::All(why) => {
                self.peers = None;
                format!("PyTorch is left out: {why}")
            }
            Missing::This(why) => format!("{}: {} is left out: {why}", workload.name, peer.name),
        };
        self.printer.warn(&sentence);
        if self.peers.is_none() {
            self.printer.hint(INSTALL);
        }
        self.left_out.push(sentence);
    }
}

/// A peer that trains another model is none.
fn same_model(contender: Contender, parameters: usize) -> Result<Contender, Missing> {
    match contender.ready.parameters {
        found if found == parameters => Ok(contender),
        found => Err(Missing::This(format!(
            "its model has {found} parameters, and ours {parameters}"
        ))),
    }
}

fn broken(missing: Missing) -> Stop {
    let (Missing::All(why) | Missing::This(why)) = missing;
    Stop::failure(format_args!("a workload did not run: {why}"))
}
