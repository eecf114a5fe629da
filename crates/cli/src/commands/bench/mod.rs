//! `gptlab bench`: how fast this machine trains and generates, where that stands under its roof, and beside
//! whom.

mod ceiling;
mod machine;
mod peers;
mod race;
mod report;
mod rounds;
mod scaling;
mod steps;
mod table;
mod turns;
mod work;
mod workloads;

use gptlab_kernels::Isa;
use gptlab_report::page::Place;
use serde::Serialize;

use self::{
    ceiling::Ceiling, machine::Machine, peers::Peers, race::Race, report::Report, rounds::Plan,
    scaling::Scaling, work::Work,
};
use crate::{
    args::BenchArgs,
    engines,
    exit::{ExitCode, Outcome, Stop},
    printer::Printer,
};

const ROUNDS: usize = 3;
const MOST_ROUNDS: usize = 1_000;
/// Of a turn.
const SECONDS: f64 = 0.7;
const MOST_SECONDS: f64 = 3_600.0;

pub(super) fn run(args: &BenchArgs, printer: Printer) -> Outcome {
    let threads = engines::threads(&args.machine)?;
    let isa = engines::isa(&args.machine)?;
    let plan = plan(args)?;
    if let Some(name) = &args.one {
        for workload in workloads::named(std::slice::from_ref(name))? {
            turns::serve(&Work::of(workload, threads, isa), printer)?;
        }
    } else if args.scaling {
        let machine = Machine::describe(isa, threads);
        let place = args.out.as_deref().map(report::place).transpose()?;
        let scaling = Scaling::measure(machine, plan, isa, printer)?;
        show(args, place.as_ref(), &scaling, &scaling.text(), printer)?;
    } else {
        let place = args.out.as_deref().map(report::place).transpose()?;
        let report = race(args, threads, isa, plan, printer)?;
        show(
            args,
            place.as_ref(),
            &report,
            &table::text(&report),
            printer,
        )?;
    }
    Ok(ExitCode::Success)
}

fn race(
    args: &BenchArgs,
    threads: usize,
    isa: Isa,
    plan: Plan,
    printer: Printer,
) -> Outcome<Report> {
    let workloads = workloads::named(&args.only)?;
    let (peers, left_out) = peers(args, printer);
    let mut race = Race {
        plan,
        threads,
        isa,
        peers,
        left_out,
        printer,
    };
    let mut ceiling = Ceiling::measure(isa, threads);
    let mut measured = Vec::new();
    for workload in workloads {
        measured.push(race.run(workload)?);
        ceiling.raise(isa);
    }
    Ok(Report {
        machine: Machine::describe(isa, threads),
        plan,
        ceiling,
        workloads: measured,
        left_out: race.left_out,
    })
}

/// The peers, if they are asked for; or why there are none.
fn peers(args: &BenchArgs, printer: Printer) -> (Option<Peers>, Vec<String>) {
    let peers = args.peer.then(|| Peers::of(args));
    match peers.as_ref().and_then(Peers::missing) {
        Some(why) => {
            let sentence = format!("PyTorch is left out: {why}");
            printer.warn(&sentence);
            (None, vec![sentence])
        }
        None => (peers, Vec::new()),
    }
}

fn show(
    args: &BenchArgs,
    place: Option<&Place>,
    raw: &impl Serialize,
    table: &str,
    printer: Printer,
) -> Outcome<()> {
    if args.json.json {
        printer.json(raw);
    } else {
        printer.text(table);
    }
    match place {
        Some(place) => report::write(place, raw, table),
        None => Ok(()),
    }
}

fn plan(args: &BenchArgs) -> Outcome<Plan> {
    let (rounds, seconds) = (
        args.rounds.unwrap_or(ROUNDS),
        args.seconds.unwrap_or(SECONDS),
    );
    if !(1..=MOST_ROUNDS).contains(&rounds) {
        return Err(Stop::usage(format_args!(
            "--rounds must be from 1 to {MOST_ROUNDS}, found {rounds}"
        )));
    }
    if !(0.0..=MOST_SECONDS).contains(&seconds) {
        return Err(Stop::usage(format_args!(
            "--seconds must be from 0 to {MOST_SECONDS}, found {seconds}"
        )));
    }
    Ok(Plan { rounds, seconds })
}
