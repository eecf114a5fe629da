//! The initial values of parameters.

use gptlab_model::{
    Graph, ModelSpec, OutputHead, Param, ParamInit, Position, Preset, ResidualInit, lower,
};

/// gpt2-mini after a `change`, and its initial parameters.
struct Fresh {
    graph: Graph,
    values: Vec<f32>,
}

impl Fresh {
    fn new(seed: u64, change: impl Fn(&mut ModelSpec)) -> Self {
        let mut spec = Preset::Gpt2Mini.spec();
        change(&mut spec);
        let graph = lower(&spec.check(65).expect("a model"));
        let values = graph.params().initial(seed);
        Self { graph, values }
    }

    fn params(&self) -> impl Iterator<Item = (&Param, &[f32])> {
        let params = self.graph.params().iter();
        params.map(|p| (p, &self.values[p.range()]))
    }

    fn find(&self, name: &str) -> Option<&[f32]> {
        let param = self.graph.params().find(name)?;
        Some(&self.values[param.range()])
    }
}

fn moment(xs: &[f32], power: i32) -> f64 {
    let sum: f64 = xs.iter().map(|x| f64::from(*x).powi(power)).sum();
    sum / xs.len() as f64
}

/// The moments are within five standard errors of those of N(0, std²).
#[test]
fn matrices_are_normal_with_the_std_of_the_table() {
    let fresh = Fresh::new(1, |s| s.init.residual = ResidualInit::Scaled);
    for (param, xs) in fresh.params() {
        match param.init {
            ParamInit::Normal { std } => {
                let error = 5.0 / (xs.len() as f64).sqrt();
                let name = &param.name;
                assert!((moment(xs, 1) / std).abs() < error, "{name}");
                let variance = moment(xs, 2) / std.powi(2);
                assert!((variance - 1.0).abs() < error * 2f64.sqrt(), "{name}");
                let fourth = moment(xs, 4) / std.powi(4);
                assert!((fourth - 3.0).abs() < error * 96f64.sqrt(), "{name}");
            }
            ParamInit::Ones => assert!(xs.iter().all(|x| *x == 1.0)),
            ParamInit::Zeros => assert!(xs.iter().all(|x| *x == 0.0)),
        }
    }
}

/// GPT-2's rule: projections onto the residual stream start smaller, by the root of their number.
#[test]
fn scaled_projections_begin_smaller() {
    let [same, scaled] = [ResidualInit::Same, ResidualInit::Scaled]
        .map(|residual| Fresh::new(1, |s| s.init.residual = residual));
    for ((param, a), (_, b)) in same.params().zip(scaled.params()) {
        let factor = if param.name.ends_with("c_proj.weight") {
            1.0 / 8f64.sqrt()
        } else {
            1.0
        };
        for (a, b) in a.iter().zip(b) {
            let error = f64::from(*a) * factor - f64::from(*b);
            assert!(error.abs() <= 1e-7 * f64::from(a.abs()), "{}", param.name);
        }
    }
}

/// A tensor is a function of seed and name: it starts the same, whatever else differs.
#[test]
fn a_tensor_begins_the_same_in_every_model_that_has_it() {
    let one = Fresh::new(7, |_| {});
    for other in [
        Fresh::new(7, |s| s.position = Position::Rotary),
        Fresh::new(7, |s| s.layers.truncate(2)),
        Fresh::new(7, |s| {
            s.layers.iter_mut().for_each(|l| drop(l.drain(..1)));
        }),
        Fresh::new(7, |s| s.head = OutputHead::Untied),
    ] {
        let shared = other.params().filter_map(|(param, values)| {
            let twin = one.find(&param.name)?;
            assert_eq!(values, twin, "{}", param.name);
            Some(())
        });
        assert!(shared.count() > 10);
    }
}

#[test]
fn tensors_and_seeds_differ() {
    let first = |seed, name| {
        Fresh::new(seed, |_| {})
            .find(name)
            .map(|xs| xs[..16].to_vec())
    };
    let one = first(1, "blocks.0.attn.c_attn.weight");
    assert_eq!(one, first(1, "blocks.0.attn.c_attn.weight"));
    assert_ne!(one, first(2, "blocks.0.attn.c_attn.weight"));
    assert_ne!(one, first(1 << 32 | 1, "blocks.0.attn.c_attn.weight"));
    assert_ne!(one, first(1, "blocks.1.attn.c_attn.weight"));
    assert_ne!(one, first(1, "tok_emb.weight"));
}
