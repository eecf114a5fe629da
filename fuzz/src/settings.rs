//! Settings by their names: refused, or put in place of a preset's.

use gptlab_model::Preset;
use gptlab_recipe::{Overrides, Settings};

/// A map of settings, as JSON.
pub fn settings(data: &[u8]) {
    let Ok(overrides) = serde_json::from_slice::<Overrides>(data) else {
        return;
    };
    let json = serde_json::to_string(&overrides).expect("settings are JSON");
    // Numbers that are not finite can be typed, and JSON has none.
    if !json.contains("null") {
        let read: Overrides = serde_json::from_str(&json).expect("its own JSON");
        assert_eq!(read, overrides);
    }
    for preset in [Preset::Gpt2Mini, Preset::Modern, Preset::Microgpt] {
        let base = Settings::of(preset, None);
        let mut changed = base.clone();
        match overrides.apply(&mut changed) {
            Ok(()) => {
                changed
                    .hyper
                    .check()
                    .expect("hyper-parameters that were checked");
                let _ = changed.spec.check(65);
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                assert_eq!(changed, base, "what is refused changes nothing");
            }
        }
    }
}
