//! Helpers that stop wherever they like: the owner's logits are those of one thread, to the bit.

use gptlab_model::{Graph, Preset, lower};

use super::*;
use crate::cpu::generate::{
    kv_cache::{Appended, LayerHeads},
    shares::HeadShare,
};
use crate::cpu::{CpuOptions, OperandType};

fn graph() -> Graph {
    let mut spec = Preset::Gpt2Mini.spec();
    spec.block_size = 16;
    spec.layers.truncate(2);
    lower(&spec.check(40).expect("a preset makes sense"))
}

fn options(precision: OperandType) -> CpuOptions {
    CpuOptions {
        precision,
        ..CpuOptions::of_threads(1)
    }
}

/// The logits after each token of a text, and where the owner's helpers stopped.
fn written(decoder: &Decoder, parts: usize, mut step: impl FnMut(&mut Sequence)) -> Vec<Vec<f32>> {
    let mut sequence = Sequence::new(decoder, parts);
    sequence.begin(&[7]);
    let mut seen = Vec::new();
    for i in 0..15 {
        step(&mut sequence);
        seen.push(sequence.logits().to_vec());
        sequence.push(i * 5 % 40);
    }
    seen
}

/// Decodes a text with a single helper, which calls `run_helper` for every token; the owner looks
/// for it `min_spins` times.
fn with_helper(
    decoder: &Arc<Decoder>,
    shares: &Arc<Shares>,
    min_spins: usize,
    joins: bool,
    run_helper: impl Fn(&Shared, Token, TokenPlace<'_>, &mut DecodeWorkspace) + Sync,
) -> Vec<Vec<f32>> {
    let workers = Workers {
        shared: Arc::new(Shared {
            min_spins,
            ..Shared::new(decoder, shares)
        }),
        helpers: Vec::new(),
        backoff: HelperBackoff::default(),
    };
    let (shared, done, gathered) = (&*workers.shared, AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut work, mut kv_cache, mut last) = (DecodeWorkspace::default(), None, 0);
            while !done.load(Ordering::Acquire) {
                let latest = shared.latest.load(Ordering::Acquire);
                if let Some(token) = shared.task(&mut kv_cache).filter(|_| latest != last) {
                    last = token.number;
                    let kv_cache: &Arc<KvCache> = kv_cache.as_ref().expect("a text");
                    let place = token.place(kv_cache);
                    if joins {
                        shared.helpers[1].joined.store(last, Ordering::Release);
                    }
                    gathered.store(last, Ordering::Release);
                    run_helper(shared, token, place, &mut work);
                }
                thread::yield_now();
            }
        });
        let mut work = DecodeWorkspace::default();
        let seen = written(decoder, shares.workers, |sequence| {
            let number = workers.begin(sequence);
            while gathered.load(Ordering::Acquire) != number {
                hint::spin_loop();
            }
            workers.finish(number, &mut work, sequence);
        });
        done.store(true, Ordering::Release);
        seen
    })
}

#[test]
fn a_helper_may_stop_anywhere_and_come_back() {
    for precision in OperandType::ALL {
        let (graph, options) = (graph(), options(precision));
        let weights = graph.params().initial(3);
        let shares = Shares::new(&graph, options.isa, 2).expect("worth sharing");
        let (shares, nodes) = (Arc::new(shares), graph.nodes().len());
        let decoder = Arc::new(Decoder::new(graph, &weights, options).expect("weights"));
        let mut work = DecodeWorkspace::default();
        let expected = written(&decoder, 1, |sequence| {
            decoder.next(&mut work, &mut [sequence]);
        });
        for after in 0..nodes {
            let found = with_helper(
                &decoder,
                &shares,
                1 << 13,
                true,
                |shared, token, place, work| {
                    // Now whole, now up to a node that moves, now not at all, having said that it
                    // would.
                    let stop = match token.number % 3 {
                        0 => Some(shared.shares.last),
                        1 => {
                            let until = shared.shares.last.index() + 1;
                            let ids = shared.decoder.prepared.graph.ids();
                            ids.take(until).nth((after + token.position) % until)
                        }
                        _ => None,
                    };
                    let row = &DecodedRows::Helped(token.id, token.position);
                    work.fit(&shared.decoder, &shared.shares.plan, row);
                    if let Some(stop) = stop {
                        let _ = shared.take_part(1, token.number, stop, place, work, row);
                    }
                },
            );
            assert!(found == expected, "{precision}, stops from node {after} on");
        }
        let found = with_helper(&decoder, &shares, 1, false, |_, _, _, _| {});
        assert!(found == expected, "{precision}, nobody joins");
    }
}

/// The second of two helpers is refused: the first does not wait for a text that never comes.
#[test]
fn a_team_that_cannot_be_whole_leaves_no_thread_behind() {
    let (graph, options) = (graph(), options(OperandType::F32));
    let weights = graph.params().initial(3);
    let shares = Arc::new(Shares::new(&graph, options.isa, 3).expect("worth sharing"));
    assert_eq!(shares.workers, 3);
    let decoder = Arc::new(Decoder::new(graph, &weights, options).expect("weights"));
    let left = Arc::new(AtomicU64::new(0));
    let workers = Workers::started(&decoder, &shares, |shared, worker| {
        let left = Arc::clone(&left);
        let run_helper = move || {
            shared.run_helper(worker);
            left.fetch_add(1, Ordering::Release);
        };
        (worker < 2).then(|| thread::spawn(run_helper))
    });
    assert!(workers.is_none());
    assert_eq!(left.load(Ordering::Acquire), 1, "it was waited for");
}

/// Shows that the comparison above can fail: a helper that swaps two numbers of its message is
/// noticed.
#[test]
fn a_helper_that_publishes_something_else_is_noticed() {
    let (graph, options) = (graph(), options(OperandType::F32));
    let weights = graph.params().initial(3);
    let shares = Arc::new(Shares::new(&graph, options.isa, 2).expect("worth sharing"));
    let decoder = Arc::new(Decoder::new(graph, &weights, options).expect("weights"));
    let mut work = DecodeWorkspace::default();
    let expected = written(&decoder, 1, |sequence| {
        decoder.next(&mut work, &mut [sequence]);
    });
    let found = with_helper(
        &decoder,
        &shares,
        1 << 22,
        true,
        |shared, token, place, work| {
            let row = &DecodedRows::Helped(token.id + 1, token.position);
            work.fit(&shared.decoder, &shared.shares.plan, row);
            let _ = shared.take_part(1, token.number, shared.shares.last, place, work, row);
        },
    );
    assert!(found != expected);
}

#[test]
fn who_is_late_leaves_what_others_remember_as_it_is() {
    let (graph, options) = (graph(), options(OperandType::F32));
    let weights = graph.params().initial(3);
    let decoder = Decoder::new(graph, &weights, options).expect("weights");
    let (node, op) = decoder.prepared.attentions().next().expect("attention");
    let share = HeadShare { index: 0, count: 2 };
    let (kv_cache, heads) = (KvCache::new(&decoder, 2), decoder.heads(node, op, share));
    let layer = LayerHeads { node, part: 0 };
    let add = |text, position, value: f32| {
        let qkv = vec![value; heads.qkv_width()];
        let appended = Appended {
            text,
            position,
            count: 1,
            qkv: &qkv,
        };
        kv_cache.append(layer, &appended, &heads);
        kv_cache.read(layer).keys_and_values().cache.to_vec()
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
