//! `gptlab bench`: measures how fast this machine trains and generates, compared with its peak and
//! with PyTorch. `gptlab_bench` measures; this file turns flags into its settings, and its progress
//! into lines.

use std::{
    env, io,
    path::{Path, PathBuf},
};

use gptlab_bench::{
    self as bench, BenchProgress, BenchSettings, Layout, PyTorch, ResultPage, Scaling, TimeToLoss,
    TimeToLossSettings, TimingPlan, WorkerCommand,
};
use gptlab_data::Builtin;
use gptlab_kernels::Isa;
use gptlab_recipe::words::reason;
use gptlab_report::{
    page::{File, OutputFolder, Signature},
    words::{count, plural},
};
use serde::Serialize;

use super::report;
use crate::{
    args::{BenchArgs, DeviceChoice},
    engines,
    exit::{CommandResult, ExitCode, Stop},
    printer::Printer,
    text,
};

const INSTALL: &str =
    "`pip install -r bench/peers/requirements.txt`; --python names the Python that has it";

pub(super) fn run(args: &BenchArgs, printer: Printer) -> CommandResult {
    match args.machine.device.unwrap_or_default() {
        DeviceChoice::Cpu => {}
        DeviceChoice::Auto | DeviceChoice::Gpu(_) => {
            return Err(Stop::usage("--device: `bench` measures the CPU alone"));
        }
    }
    let threads = engines::threads(&args.machine)?;
    let isa = engines::isa(&args.machine)?;
    let plan = plan(args)?;
    let place = args.out.as_deref().map(place).transpose()?;
    let mut progress = |news: BenchProgress<'_>| say(news, printer);
    if let Some(name) = &args.one {
        let answer = |line: &str| {
            printer.exact_line(line);
            Ok(())
        };
        for workload in bench::named(std::slice::from_ref(name))? {
            bench::serve(workload, threads, isa, io::stdin().lock(), answer)?;
        }
    } else if let (Some(target), Some(data)) = (args.time_to_loss, &args.data) {
        let scratch = tempfile::tempdir().map_err(|e| {
            Stop::failure(format_args!(
                "cannot make a folder for runs: {}",
                reason(&e)
            ))
        })?;
        let settings = TimeToLossSettings {
            target,
            data: data.clone(),
            rounds: plan.rounds,
            threads,
            isa,
            gptlab: this_program()?,
            pytorch: pytorch(args),
            scratch: scratch.path().to_owned(),
        };
        settings.check()?;
        // A text that cannot be read is refused before the first training.
        text::source(data.to_str(), Builtin::Stories)?;
        let found = TimeToLoss::measure(&settings, &mut progress)?;
        show(args, place.as_ref(), &found, printer)?;
    } else if args.scaling {
        let scaling = Scaling::measure(plan, threads, isa, &mut progress)?;
        show(args, place.as_ref(), &scaling, printer)?;
    } else {
        let workloads = bench::named(&args.only)?;
        let settings = settings(args, plan, threads, isa)?;
        let report = bench::compare(&workloads, &settings, &mut progress)?;
        show(args, place.as_ref(), &report, printer)?;
    }
    Ok(ExitCode::Success)
}

fn plan(args: &BenchArgs) -> CommandResult<TimingPlan> {
    let usual = TimingPlan::default();
    let rounds = args.rounds.unwrap_or(usual.rounds);
    let seconds = args.seconds.unwrap_or(usual.seconds);
    Ok(TimingPlan::new(rounds, seconds)?)
}

fn settings(
    args: &BenchArgs,
    plan: TimingPlan,
    threads: usize,
    isa: Isa,
) -> CommandResult<BenchSettings> {
    let program = this_program()?;
    let threads_typed = threads.to_string();
    let arguments = [
        "bench",
        "--isa",
        isa.name(),
        "--threads",
        &threads_typed,
        "--one",
    ];
    Ok(BenchSettings {
        plan,
        threads,
        isa,
        worker: WorkerCommand {
            program,
            arguments: arguments.map(str::to_owned).to_vec(),
        },
        pytorch: pytorch(args),
    })
}

fn this_program() -> CommandResult<PathBuf> {
    env::current_exe().map_err(|e| {
        Stop::failure(format_args!(
            "cannot find this program to start it: {}",
            reason(&e)
        ))
    })
}

/// Returns the Python of the peers, if `--peer` asks for them.
fn pytorch(args: &BenchArgs) -> Option<PyTorch> {
    let typed = |path: &Option<PathBuf>, default: &str| {
        path.clone().unwrap_or_else(|| PathBuf::from(default))
    };
    args.peer.then(|| PyTorch {
        python: typed(&args.python, "python3"),
        scripts: typed(&args.peer_scripts, "bench/peers"),
        threads: args.machine.threads,
    })
}

fn say(news: BenchProgress<'_>, printer: Printer) {
    match news {
        BenchProgress::Begins(workload) => {
            printer.note(format_args!("{}: {}", workload.name, workload.summary));
        }
        BenchProgress::PeerStarts { workload, peer } => {
            printer.note(format_args!("{}: starting {}", workload.name, peer.name));
        }
        BenchProgress::LeftOut {
            sentence,
            is_absent,
        } => {
            printer.warn(sentence);
            if is_absent {
                printer.hint(INSTALL);
            }
        }
        BenchProgress::Trained { seed, training } => printer.note(format_args!(
            "seed {seed}: --for {}s ended at {:.4} after {:.1} s",
            training.limit, training.loss, training.seconds
        )),
        BenchProgress::PeerTrained { seed, training } => printer.note(format_args!(
            "seed {seed}: {} {} at {:.4}",
            training.program,
            training.seconds.map_or_else(
                || "ended".to_owned(),
                |seconds| format!("was after {seconds:.1} s")
            ),
            training.loss
        )),
        BenchProgress::Point(point) => printer.note(format_args!(
            "width {}, context {}, batch {}, {}: {} tokens/s",
            point.width,
            point.context,
            point.batch,
            plural(point.threads, "thread"),
            count(point.tokens_per_second.round() as u64)
        )),
    }
}

fn show(
    args: &BenchArgs,
    place: Option<&OutputFolder>,
    found: &(impl ResultPage + Serialize),
    printer: Printer,
) -> CommandResult<()> {
    let markdown = found.page(Layout::Markdown);
    let width = printer.fitted().filter(|_| !args.markdown);
    if args.json.json {
        printer.json(found);
    } else if let Some(width) = width {
        printer.text(found.page(Layout::Text(width)));
    } else {
        printer.text(&markdown);
    }
    match place {
        Some(place) => write(place, found, &markdown),
        None => Ok(()),
    }
}

/// Checks that the folder of `--out` can take our files.
fn place(folder: &Path) -> CommandResult<OutputFolder> {
    let signs = ["raw.json"].map(|name| Signature::text(name, bench::BEGINNING));
    report::place(folder, &signs, "--out DIR")
}

/// Writes `raw` and `table` into the folder `place`, and makes the folder if necessary.
fn write(place: &OutputFolder, raw: &impl Serialize, table: &str) -> CommandResult<()> {
    let raw = serde_json::to_string(raw).map_err(Stop::failure)?;
    let file = |name: &str, text: String| File {
        name: name.to_owned(),
        text,
    };
    place.write(&[
        file("raw.json", raw + "\n"),
        file("table.md", table.to_owned()),
    ])?;
    Ok(())
}
