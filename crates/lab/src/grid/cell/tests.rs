use gptlab_data::{Builtin, Diagnostic};
use gptlab_model::Preset;
use gptlab_recipe::TokenizerKind;

use super::*;

/// The witness reads the documents in pieces of the context's length, and uses no covering.
#[test]
fn every_prediction_that_needs_the_skill_counts() {
    let recipe = "copy:seed=3,size=4000";
    let text = Text::builtin(Builtin::parse(recipe).unwrap().unwrap());
    for block_size in [7, 64] {
        let mut settings = Settings::of(Preset::Gpt2Mini, Some(1));
        settings.spec.block_size = block_size;
        settings.tokenizer = TokenizerKind::Lines.into();
        let resolved = Resolved::fresh(&settings, &text).unwrap();
        let weights = resolved.weights().unwrap();
        let device = Device::cpu(1);
        let mut engine = device.engine(resolved.graph.clone(), &weights).unwrap();
        let validation = resolved.batches.corpus().validation().unwrap();
        let (mut sum, mut count) = (0.0, 0u32);
        for i in 0..validation.documents().unwrap() {
            let document = validation.document(i);
            let inner = &document[1..document.len() - 1];
            let needs = Diagnostic::Copy.skill(&resolved.tokenizer.decode(inner).unwrap());
            let (mut losses, mut at) = (Vec::new(), 0);
            while at + 1 < document.len() {
                let end = (at + block_size).min(document.len() - 1);
                let piece = (&document[at..end], &document[at + 1..=end]);
                let batch = Batch::new(&resolved.model, [piece]).unwrap();
                losses.extend(engine.losses(&batch));
                at = end;
            }
            for (loss, _) in losses
                .iter()
                .zip(needs.unwrap())
                .filter(|(_, needs)| *needs)
            {
                (sum, count) = (sum + loss, count + 1);
            }
        }
        assert!(count > 50, "{count}");
        let found = skill(engine.as_mut(), &resolved, &text).unwrap().unwrap();
        let expected = sum / f64::from(count);
        assert!((found - expected).abs() < 1e-5, "{found}, {expected}");
    }
}
