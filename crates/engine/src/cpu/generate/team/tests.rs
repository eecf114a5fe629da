//! Helpers that stop wherever they like: the owner's logits are those of one thread, to the bit.

use gptlab_model::{Graph, Preset, lower};

use super::*;
use crate::cpu::{Options, Precision};

fn graph() -> Graph {
    let mut spec = Preset::Gpt2Mini.spec();
    spec.block_size = 16;
    spec.layers.truncate(2);
    lower(&spec.check(40).expect("a preset makes sense"))
}

fn options(precision: Precision) -> Options {
    Options {
        precision,
        ..Options::of_threads(1)
    }
}

/// The logits after each token of a text, and where the owner's helpers stopped.
fn written(decoder: &Decoder, parts: usize, mut step: impl FnMut(&mut Stream)) -> Vec<Vec<f32>> {
    let mut stream = decoder.stream(parts);
    stream.begin(&[7]);
    let mut seen = Vec::new();
    for i in 0..15 {
        step(&mut stream);
        seen.push(stream.logits().to_vec());
        stream.push(i * 5 % 40);
    }
    seen
}

/// A team whose only helper is `help`: it is told of every token, and waited for so many looks.
fn with_helper(
    decoder: &Arc<Decoder>,
    shares: &Arc<Shares>,
    (patience, joins): (usize, bool),
    help: impl Fn(&Common, Token, Place<'_>, &mut Work) + Sync,
) -> Vec<Vec<f32>> {
    let team = Team {
        common: Arc::new(Common {
            patience,
            ..Common::new(decoder, shares)
        }),
        helpers: Vec::new(),
        pace: Pace::default(),
    };
    let (common, done, heard) = (&*team.common, AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut work, mut memory, mut last) = (Work::default(), None, 0);
            while !done.load(Ordering::Acquire) {
                let news = common.news.load(Ordering::Acquire);
                if let Some(token) = common.task(&mut memory).filter(|_| news != last) {
                    last = token.number;
                    let memory: &Arc<Memory> = memory.as_ref().expect("a text");
                    let place = (&**memory, token.text, token.position);
                    if joins {
                        common.helpers[1].joined.store(last, Ordering::Release);
                    }
                    heard.store(last, Ordering::Release);
                    help(common, token, place, &mut work);
                }
                thread::yield_now();
            }
        });
        let mut work = Work::default();
        let seen = written(decoder, shares.members, |stream| {
            let number = team.begin(stream);
            while heard.load(Ordering::Acquire) != number {
                hint::spin_loop();
            }
            team.finish(number, &mut work, stream);
        });
        done.store(true, Ordering::Release);
        seen
    })
}

#[test]
fn a_helper_may_stop_anywhere_and_come_back() {
    for precision in Precision::ALL {
        let (graph, options) = (graph(), options(precision));
        let weights = graph.params().initial(3);
        let shares = Shares::new(&graph, options.isa, 2).expect("worth sharing");
        let (shares, last) = (Arc::new(shares), graph.nodes().len() - 1);
        let decoder = Arc::new(Decoder::new(graph, &weights, options).expect("weights"));
        let mut work = Work::default();
        let expected = written(&decoder, 1, |stream| decoder.next(&mut work, &mut [stream]));
        for after in 0..=last {
            let found = with_helper(
                &decoder,
                &shares,
                (1 << 13, true),
                |common, token, place, work| {
                    // Now whole, now up to a node that moves, now not at all, having said that it would.
                    let stop = match token.number % 3 {
                        0 => Some(common.shares.last),
                        1 => Some((after + token.position) % (common.shares.last + 1)),
                        _ => None,
                    };
                    let row = &Rows::Helped(token.id, token.position);
                    work.fit(&common.decoder, &common.shares.layout, row);
                    if let Some(stop) = stop {
                        let _ = common.take_part(1, token.number, stop, place, work, row);
                    }
                },
            );
            assert!(found == expected, "{precision}, stops from node {after} on");
        }
        let found = with_helper(&decoder, &shares, (1, false), |_, _, _, _| {});
        assert!(found == expected, "{precision}, nobody joins");
    }
}

/// The second of two helpers is refused: the first does not wait for a text that never comes.
#[test]
fn a_team_that_cannot_be_whole_leaves_no_thread_behind() {
    let (graph, options) = (graph(), options(Precision::F32));
    let weights = graph.params().initial(3);
    let shares = Arc::new(Shares::new(&graph, options.isa, 3).expect("worth sharing"));
    assert_eq!(shares.members, 3);
    let decoder = Arc::new(Decoder::new(graph, &weights, options).expect("weights"));
    let left = Arc::new(AtomicU64::new(0));
    let team = Team::started(&decoder, &shares, |common, member| {
        let left = Arc::clone(&left);
        let help = move || {
            common.help(member);
            left.fetch_add(1, Ordering::Release);
        };
        (member < 2).then(|| thread::spawn(help))
    });
    assert!(team.is_none());
    assert_eq!(left.load(Ordering::Acquire), 1, "it was waited for");
}

/// That the comparison above can fail: a helper that mixes up two numbers of what it tells is noticed.
#[test]
fn a_helper_that_tells_something_else_is_noticed() {
    let (graph, options) = (graph(), options(Precision::F32));
    let weights = graph.params().initial(3);
    let shares = Arc::new(Shares::new(&graph, options.isa, 2).expect("worth sharing"));
    let decoder = Arc::new(Decoder::new(graph, &weights, options).expect("weights"));
    let mut work = Work::default();
    let expected = written(&decoder, 1, |stream| decoder.next(&mut work, &mut [stream]));
    let found = with_helper(
        &decoder,
        &shares,
        (1 << 22, true),
        |common, token, place, work| {
            let row = &Rows::Helped(token.id + 1, token.position);
            work.fit(&common.decoder, &common.shares.layout, row);
            let _ = common.take_part(1, token.number, common.shares.last, place, work, row);
        },
    );
    assert!(found != expected);
}

#[test]
fn who_is_late_leaves_what_others_remember_as_it_is() {
    let (graph, options) = (graph(), options(Precision::F32));
    let weights = graph.params().initial(3);
    let decoder = Decoder::new(graph, &weights, options).expect("weights");
    let node = decoder
        .program
        .graph
        .nodes()
        .iter()
        .position(|n| n.attention().is_some());
    let node = node.expect("a layer with attention");
    let (_, op) = decoder.program.graph.nodes()[node]
        .attention()
        .expect("attention");
    let (memory, heads) = (Memory::new(&decoder, 2), decoder.heads(node, op, (0, 2)));
    let add = |text, position, value: f32| {
        let qkv = vec![value; heads.qkv_width()];
        memory.remember((node, 0), (text, position, 1), &qkv, &heads);
        memory.read((node, 0)).numbers.to_vec()
    };
    let first = add(1, 0, 1.0);
    assert_eq!(add(1, 0, 2.0), first, "there already");
    let second = add(1, 1, 3.0);
    assert_ne!(second, first);
    let next = add(2, 0, 4.0);
    assert_ne!(next, second);
    assert_eq!(add(1, 2, 5.0), next, "of a text before");
    assert_eq!(add(2, 2, 6.0), next, "two tokens ahead");
}
