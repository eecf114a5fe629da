//! The listed programs, shared by the test and by the example that remakes the files.

use gptlab_engine::program::{Purpose, compile};
use gptlab_model::{Choice, Graph, ModelSpec, Preset, SublayerOrder, lower};

pub(crate) const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs");

/// Returns the name and the text of every listing.
pub(crate) fn all() -> Vec<(String, String)> {
    let mini = small(Preset::Gpt2Mini, |_| {});
    let parallel = small(Preset::Gpt2Mini, |s| {
        s.wiring.order = SublayerOrder::Parallel;
    });
    let [modern, microgpt] = [Preset::Modern, Preset::Microgpt].map(|p| small(p, |_| {}));
    let mut all = Purpose::ALL
        .iter()
        .map(|p| of("gpt2-mini", &mini, *p))
        .collect::<Vec<_>>();
    all.push(of("gpt2-mini-parallel", &parallel, Purpose::Train));
    all.push(of("microgpt", &microgpt, Purpose::Train));
    all.push(of("modern", &modern, Purpose::Train));
    all.push(of("modern", &modern, Purpose::Decode));
    all
}

fn of(name: &str, graph: &Graph, purpose: Purpose) -> (String, String) {
    let program = compile(graph, purpose);
    let text = program.listing(graph).to_string();
    (format!("{name}.{}", purpose.name()), text)
}

/// The first block of a preset, 16 numbers wide, so that a person can read its program.
fn small(preset: Preset, change: fn(&mut ModelSpec)) -> Graph {
    let mut spec = preset.spec();
    spec.layers.truncate(1);
    spec.set_width(16);
    change(&mut spec);
    lower(&spec.check(27).expect("a small model makes sense"))
}
