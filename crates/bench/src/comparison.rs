//! Measuring each workload with gptlab and its peers in alternation.

use std::{path::PathBuf, process::Command, thread, time::Duration};

use gptlab_kernels::Isa;

use crate::{
    Baselines, BenchProgress, BenchReport, Error, FORMAT, MachineDescription, Peak, Peer,
    PeerResult, PyTorch, TimingPlan, Workload, WorkloadResult,
    job::Job,
    participant::Participant,
    worker::{Unavailable, WorkerProcess},
};

/// The pause between two turns. Threads that wait for work spin for a while before they sleep.
const PAUSE: Duration = Duration::from_millis(250);

/// The settings of a comparison.
#[derive(Clone, Debug)]
pub struct BenchSettings {
    pub plan: TimingPlan,
    pub threads: usize,
    pub isa: Isa,
    /// The command that runs a workload with gptlab in a process of its own.
    pub worker: WorkerCommand,
    /// The Python that runs the PyTorch peers; `None` leaves them out.
    pub pytorch: Option<PyTorch>,
}

/// A command that calls [`crate::serve`] with the threads and instructions of the
/// [`BenchSettings`]. The workload's name is appended as its last argument.
#[derive(Clone, Debug)]
pub struct WorkerCommand {
    pub program: PathBuf,
    pub arguments: Vec<String>,
}

/// Runs `workloads` one after another, in alternation with their peers. Each program runs in a
/// process of its own, so that its peak memory is that of the workload alone. `progress` is called
/// with each piece of progress.
///
/// # Errors
/// Returns an error if a workload cannot be run. A peer that cannot be run is left out, and the
/// report gives the reason.
pub fn compare(
    workloads: &[&'static Workload],
    settings: &BenchSettings,
    progress: &mut dyn FnMut(BenchProgress<'_>),
) -> Result<BenchReport, Error> {
    let mut comparison = Comparison {
        settings,
        pytorch: settings.pytorch.as_ref(),
        left_out: Vec::new(),
        progress,
    };
    if let Some(why) = settings.pytorch.as_ref().and_then(PyTorch::missing) {
        comparison.pytorch = None;
        comparison.report_left_out(format!("PyTorch is left out: {why}"), false);
    }
    let mut peak = Peak::measure(settings.isa, settings.threads);
    let mut measured = Vec::new();
    for workload in workloads {
        measured.push(comparison.run(workload)?);
        peak.raise(settings.isa);
    }
    Ok(BenchReport {
        machine: MachineDescription::describe(settings.isa, settings.threads),
        format: FORMAT,
        plan: settings.plan,
        peak,
        workloads: measured,
        left_out: comparison.left_out,
    })
}

struct Comparison<'a> {
    settings: &'a BenchSettings,
    /// The Python of the peers; `None` once it turns out that no peer can run.
    pytorch: Option<&'a PyTorch>,
    /// The reasons why requested peers did not run, as sentences.
    left_out: Vec<String>,
    progress: &'a mut dyn FnMut(BenchProgress<'_>),
}

impl Comparison<'_> {
    fn run(&mut self, workload: &'static Workload) -> Result<WorkloadResult, Error> {
        let job = Job::of(workload, self.settings.threads, self.settings.isa);
        let cost = job.cost()?;
        (self.progress)(BenchProgress::Begins(workload));
        let mut participants = vec![self.ours(workload)?];
        participants.extend(self.peers(workload, cost.parameters));
        for _ in 0..self.settings.plan.rounds {
            participants = self.round(workload, participants)?;
        }
        // Our participant is the first, and only a peer can be left out.
        let ours = participants.remove(0).timings;
        let result = |p: Participant| Some(PeerResult::of(p.peer?, p.timings, &ours));
        let peers = participants.into_iter().filter_map(result).collect();
        Ok(WorkloadResult::of(workload, &job, &cost, peers, ours))
    }

    /// Gives each participant a turn, in order. A peer that fails is left out with its reason.
    fn round(
        &mut self,
        workload: &Workload,
        participants: Vec<Participant>,
    ) -> Result<Vec<Participant>, Error> {
        let alone = participants.len() == 1;
        let mut running = Vec::new();
        for mut participant in participants {
            if !alone {
                thread::sleep(PAUSE);
            }
            match (participant.turn(self.settings.plan), participant.peer) {
                (Ok(()), _) => running.push(participant),
                (Err(why), Some(peer)) => self.leave_out(workload, peer, why),
                (Err(why), None) => return Err(broken(why)),
            }
        }
        Ok(running)
    }

    /// Starts gptlab's own process and warms it up.
    fn ours(&self, workload: &Workload) -> Result<Participant, Error> {
        let WorkerCommand { program, arguments } = &self.settings.worker;
        let mut command = Command::new(program);
        command.args(arguments).arg(workload.name);
        WorkerProcess::start(&mut command)
            .and_then(|worker| Participant::warm(worker, None))
            .map_err(broken)
    }

    /// Starts the PyTorch peers and warms them up. Peers that do not run are left out.
    fn peers(&mut self, workload: &Workload, parameters: usize) -> Vec<Participant> {
        let peers = match workload.baselines {
            Baselines::Each(peers) | Baselines::Best { of: peers, .. } => peers,
            Baselines::Published(_) => &[],
        };
        let mut running = Vec::new();
        for peer in peers {
            let Some(pytorch) = self.pytorch else { break };
            (self.progress)(BenchProgress::PeerStarts { workload, peer });
            let started = WorkerProcess::start(&mut pytorch.command(workload, peer))
                .and_then(|worker| same_model(worker, parameters))
                .and_then(|worker| Participant::warm(worker, Some(peer)));
            match started {
                Ok(participant) => running.push(participant),
                Err(why) => self.leave_out(workload, peer, why),
            }
        }
        running
    }

    fn leave_out(&mut self, workload: &Workload, peer: &Peer, why: Unavailable) {
        let sentence = match why {
            Unavailable::All(why) => {
                self.pytorch = None;
                format!("PyTorch is left out: {why}")
            }
            Unavailable::This(why) => {
                format!("{}: {} is left out: {why}", workload.name, peer.name)
            }
        };
        self.report_left_out(sentence, self.pytorch.is_none());
    }

    fn report_left_out(&mut self, sentence: String, is_absent: bool) {
        (self.progress)(BenchProgress::LeftOut {
            sentence: &sentence,
            is_absent,
        });
        self.left_out.push(sentence);
    }
}

/// Refuses a peer whose model has another number of parameters.
fn same_model(worker: WorkerProcess, parameters: usize) -> Result<WorkerProcess, Unavailable> {
    match worker.ready.parameters {
        found if found == parameters => Ok(worker),
        found => Err(Unavailable::This(format!(
            "its model has {found} parameters, and ours {parameters}"
        ))),
    }
}

fn broken(why: Unavailable) -> Error {
    let (Unavailable::All(why) | Unavailable::This(why)) = why;
    Error::WorkerProcess(why)
}
