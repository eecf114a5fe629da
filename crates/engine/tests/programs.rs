//! Programs: golden listings that a person has read, and a device without numbers that tracks the
//! content of every buffer, and stops when a step reads anything else.

mod common;
#[path = "programs/device.rs"]
mod device;
#[path = "programs/listed.rs"]
mod listed;

use std::{collections::BTreeSet, fs, ops::RangeInclusive, path::Path};

use common::specs::{self, Grid};
use device::run;
use gptlab_engine::program::{Program, Purpose, Work, compile};
use gptlab_model::{Choice, Graph, Preset, lower};

#[test]
fn listings_equal_the_reviewed_files() {
    for (name, text) in listed::all() {
        let path = Path::new(listed::FOLDER).join(format!("{name}.txt"));
        let read = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            read.replace("\r\n", "\n"),
            text,
            "{name}.txt differs; if that is meant, remake it with \
             `cargo run -p gptlab-engine --example programs` and read it"
        );
    }
}

#[test]
fn no_listing_is_left_over() {
    let listed: BTreeSet<String> = listed::all().into_iter().map(|(name, _)| name).collect();
    let files = fs::read_dir(listed::FOLDER).expect("the folder of listings");
    let names = files.map(|f| {
        f.expect("a file")
            .file_name()
            .into_string()
            .expect("a name")
    });
    let texts = names.filter_map(|name| Some(name.strip_suffix(".txt")?.to_owned()));
    assert_eq!(texts.collect::<BTreeSet<_>>(), listed);
}

fn lifetimes(program: &Program) -> Vec<RangeInclusive<usize>> {
    let buffers = program.buffers().iter();
    buffers.map(|buffer| buffer.first..=buffer.last).collect()
}

#[test]
fn every_step_finds_what_it_reads() {
    let mut grid = Grid::pairs();
    grid.cases.extend(Grid::random(200).cases);
    grid.cases
        .extend(specs::larger().into_iter().map(|(case, _)| case));
    for case in &grid.cases {
        for &purpose in Purpose::ALL {
            let program = compile(&case.graph, purpose);
            let found = run(&case.graph, &program, &lifetimes(&program));
            assert_eq!(found, Ok(()), "{} {purpose:?}", case.name);
        }
    }
}

fn mini() -> Graph {
    let spec = Preset::Gpt2Mini.spec();
    lower(&spec.check(65).expect("a preset makes sense"))
}

/// The device detects errors: it stops if a buffer, whichever it is, ends one step early.
#[test]
fn a_lifetime_that_is_too_short_is_detected() {
    let graph = mini();
    let program = compile(&graph, Purpose::Train);
    for buffer in 0..program.buffers().len() {
        let mut lifetimes = lifetimes(&program);
        let (first, last) = lifetimes[buffer].clone().into_inner();
        if first < last {
            lifetimes[buffer] = first..=last - 1;
            assert!(
                run(&graph, &program, &lifetimes).is_err(),
                "buffer {buffer}"
            );
        }
    }
}

/// A program's purpose is visible in its steps: it computes nothing that no later step reads.
#[test]
fn purposes_differ_in_their_steps() {
    let graph = mini();
    let works = |purpose| -> Vec<Work> {
        let program = compile(&graph, purpose);
        program.steps().iter().map(|step| step.work).collect()
    };
    let nodes = graph.nodes().len();
    let forward = |works: &[Work]| {
        works
            .iter()
            .filter(|w| matches!(w, Work::Forward(_)))
            .count()
    };
    for purpose in [Purpose::Train, Purpose::Evaluate, Purpose::Decode] {
        assert_eq!(forward(&works(purpose)), nodes - 1, "{purpose:?}");
    }
    assert_eq!(forward(&works(Purpose::Observe)), nodes);
    assert_eq!(works(Purpose::Evaluate).last(), Some(&Work::Loss));
    assert_eq!(works(Purpose::Decode).last(), Some(&Work::Logits));
    let train = works(Purpose::Train);
    let backward = train.iter().filter(|w| matches!(w, Work::Backward(_)));
    assert_eq!(backward.count(), nodes - 1, "every node leads to the loss");
}

/// A program that evaluates needs less memory than one that trains, and decoding needs at most as
/// much as evaluating.
#[test]
fn programs_that_keep_less_need_less_memory() {
    let graph = mini();
    let most = |purpose| {
        let program = compile(&graph, purpose);
        let at = |step: usize| -> usize {
            let live = program
                .buffers()
                .iter()
                .filter(|b| b.first <= step && step <= b.last);
            live.map(|buffer| buffer.width).sum()
        };
        (0..program.steps().len()).map(at).max()
    };
    assert!(most(Purpose::Evaluate) < most(Purpose::Train));
    assert!(most(Purpose::Evaluate) < most(Purpose::Observe));
    assert!(most(Purpose::Decode) <= most(Purpose::Evaluate));
}
