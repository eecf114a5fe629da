use super::*;
use crate::testing::{EventKeeper, kept_in, settings, story, text, train};

type Change = dyn Fn(&mut Settings);
type Alteration = dyn Fn(&mut Experiment);

/// Makes a run's folder with a checkpoint after one step; returns the folder and the checkpoint's
/// path.
fn begun() -> (tempfile::TempDir, std::path::PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let resolved = Resolved::fresh(&settings(6), &story()).unwrap();
    train(
        &resolved,
        kept_in(root.path()),
        &mut EventKeeper::stopping_after(1),
    );
    let (_, path) = gptlab_record::checkpoints(root.path())
        .unwrap()
        .pop()
        .unwrap();
    (root, path)
}

#[test]
fn a_text_shorter_than_the_context_shrinks_it_with_a_notice() {
    let mut long = settings(2);
    long.spec.block_size = 256;
    let resolved = Resolved::fresh(&long, &story()).unwrap();
    // Of 65 characters 58 are for training, and the last of them is only predicted.
    assert_eq!(resolved.experiment.spec.block_size, 57);
    assert_eq!(resolved.batches.block_size(), 57);
    let message = resolved.notices[0].to_string();
    assert!(
        message.starts_with("the context shrank from 256 to 57 tokens"),
        "{message}"
    );
    let fits = Resolved::fresh(&settings(2), &story()).unwrap();
    assert_eq!(fits.notices, []);
}

/// The counts are by hand: with their BOS, the documents have 9, 4, 11 and 7 predictions.
#[test]
fn documents_longer_than_the_context_are_cut_with_a_notice() {
    let mut lines = settings(2);
    lines.tokenizer = gptlab_recipe::TokenizerKind::Lines.into();
    let notices = |documents: &str| {
        let resolved = Resolved::fresh(&lines, &text(documents)).unwrap();
        let notices: Vec<String> = resolved.notices.iter().map(Notice::to_string).collect();
        notices.join("; ")
    };
    assert_eq!(
        notices("abcdefgh\nabc\nhgfedcbahg\nabcdef\n".repeat(3).as_str()),
        "9 of 12 documents are longer than the context of 5 tokens: they are cut into 21 pieces, and all of \
         them are trained or validated on"
    );
    assert_eq!(
        notices("a\nb\nc\nd\ne\nf\ng\nh\ni\nabcdef"),
        "1 of 10 documents is longer than the context of 5 tokens: it is cut into 2 pieces, and all of them \
         are trained or validated on"
    );
    assert_eq!(notices(&"abcd\n".repeat(10)), "");
}

#[test]
fn two_characters_are_enough() {
    let resolved = Resolved::fresh(&settings(2), &text("ab")).unwrap();
    assert_eq!(resolved.experiment.spec.block_size, 1);
    assert_eq!(resolved.experiment.data.val_fraction, 0.0);
    let messages: Vec<String> = resolved.notices.iter().map(Notice::to_string).collect();
    assert!(
        messages[0].starts_with("nothing is kept for validation"),
        "{messages:?}"
    );
    assert!(
        messages[1].starts_with("the context shrank from 5 to 1"),
        "{messages:?}"
    );
    let outcome = train(
        &resolved,
        crate::RunOptions::default(),
        &mut EventKeeper::default(),
    );
    let saved = Vec::new();
    assert_eq!(outcome, crate::Outcome::Finished { step: 2, saved });
}

#[test]
fn invalid_settings_are_errors() {
    let mut wrong = settings(2);
    wrong.hyper.steps = 0;
    let message = Resolved::fresh(&wrong, &story()).unwrap_err().to_string();
    assert!(message.starts_with("steps must be from 1"), "{message}");
    let mut wrong = settings(2);
    wrong.spec.n_embd = 5;
    let message = Resolved::fresh(&wrong, &story()).unwrap_err().to_string();
    assert!(
        message.starts_with("n_head must divide n_embd"),
        "{message}"
    );
    let mut wrong = settings(2);
    wrong.val_fraction = 1.5;
    let message = Resolved::fresh(&wrong, &story()).unwrap_err().to_string();
    assert!(message.contains("below 1, found 1.5"), "{message}");
    let mut lines = settings(2);
    lines.tokenizer = gptlab_recipe::TokenizerKind::Lines.into();
    let message = Resolved::fresh(&lines, &text(" \n \n"))
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("no characters besides white space"),
        "{message}"
    );
}

#[test]
fn the_experiment_holds_everything_and_reads_back_the_same() {
    let resolved = Resolved::fresh(&settings(6), &story()).unwrap();
    let text = gptlab_record::canonical(&resolved.experiment).unwrap();
    let back: Experiment = serde_json::from_str(&text).unwrap();
    assert_eq!(back, resolved.experiment);
    assert!(text.contains(r#""dropout":0.1,"#), "{text}");
    assert_eq!(back.data.train_tokens + back.data.val_tokens, 65);
}

#[test]
fn another_text_is_refused() {
    let (root, path) = begun();
    let other = text("the cat sat on the mat and the rat sat on the cat; that was all.");
    let checkpoint = Checkpoint::open(&path).unwrap();
    let options = ResumeOptions::of(&settings(6));
    let refused = Resolved::resume(checkpoint, &other, None, &options).unwrap_err();
    let message = refused.to_string();
    let [mine, yours] = [story(), other.clone()].map(|t| t.fingerprint().short());
    assert!(
        message.ends_with(&format!(
            "step-00000001.safetensors: expected the text it was trained on, with fingerprint {mine}, \
             found a small text with fingerprint {yours}; a run resumes only with its own text"
        )),
        "{message}"
    );
    assert!(Resolved::resume_run(root.path(), &other, "again", None).is_err());
}

#[test]
fn other_settings_are_refused_by_name() {
    let (_root, path) = begun();
    let cases: [(&Change, &str); 7] = [
        (
            &|s| s.hyper.lr = 0.1,
            "`hyper.lr` to be 0.1, as requested, found 0.05;",
        ),
        (
            &|s| s.hyper.steps = 7,
            "`hyper.steps` to be 7, as requested, found 6;",
        ),
        (
            &|s| s.seed = 1,
            "`seed` to be 1, as requested, found 18446744073709551609;",
        ),
        (
            &|s| s.spec.dropout = 0.25,
            "`spec.dropout` to be 0.25, as requested, found 0.1;",
        ),
        (
            &|s| s.spec.layers.push(Vec::new()),
            "`spec.layers` to be a list of 2, as requested, found a list of 1;",
        ),
        (
            &|s| s.val_fraction = 0.5,
            "`data.val_fraction` to be 0.5, as requested, found 0.1;",
        ),
        (
            &|s| s.tokenizer = gptlab_recipe::TokenizerKind::Lines.into(),
            "`tokenizer.kind` to be \"lines\", as requested, found \"chars\";",
        ),
    ];
    for (change, sentence) in cases {
        let mut requested = settings(6);
        change(&mut requested);
        let checkpoint = Checkpoint::open(&path).unwrap();
        let options = ResumeOptions::of(&requested);
        let refused = Resolved::resume_as(&requested, checkpoint, &story(), None, &options);
        let message = refused.unwrap_err().to_string();
        assert!(message.contains(sentence), "{message}");
    }
    let checkpoint = Checkpoint::open(&path).unwrap();
    let options = ResumeOptions::of(&settings(6));
    let requested = settings(6);
    let resolved = Resolved::resume_as(&requested, checkpoint, &story(), None, &options).unwrap();
    assert_eq!(resolved.first_step(), 1);
}

#[test]
fn a_folder_without_a_run_is_an_error() {
    let root = tempfile::tempdir().unwrap();
    let refused = Resolved::resume_run(root.path(), &story(), "again", None);
    let message = refused.unwrap_err().to_string();
    assert!(
        message.contains("experiment.json: there is no such file"),
        "{message}"
    );
}

#[test]
fn a_loaded_run_that_saved_nothing_must_be_started_again() {
    let (root, path) = begun();
    let checkpoint = Checkpoint::open(&path).unwrap();
    let resolved = Resolved::load(&settings(6), &story(), checkpoint).unwrap();
    let folder = root.path().join("tuned");
    gptlab_record::Store::create(&folder, &resolved.experiment).unwrap();
    let refused = Resolved::resume_run(&folder, &story(), "again", None);
    let message = refused.unwrap_err().to_string();
    assert!(
        message.contains("expected a checkpoint to resume, found none; begin again from"),
        "{message}"
    );
}

/// Settings that change a number and settings that do not are compared alike. The place of the text
/// is not a setting.
#[test]
fn the_same_settings_are_whole_experiments() {
    let resolved = Resolved::fresh(&settings(6), &story()).unwrap();
    let found = &resolved.experiment;
    let mut elsewhere = found.clone();
    elsewhere.data.source = "another path".to_owned();
    elsewhere.data.origin = gptlab_recipe::TextOrigin::File("another path".to_owned());
    elsewhere.program = "gptlab 9".to_owned();
    same_settings(Path::new("a"), found, &elsewhere).unwrap();
    let changes: [(&Alteration, &str); 5] = [
        (
            &|e| e.hyper.eps = 0.5,
            "`hyper.eps` to be 0.5, as requested",
        ),
        (
            &|e| e.intervals.val_tokens = 7,
            "`intervals.val_tokens` to be 7",
        ),
        (
            &|e| e.observe = gptlab_recipe::ObserveLevel::Full,
            "`observe` to be \"full\"",
        ),
        (
            &|e| e.sampling.temperature = 0.5,
            "`sampling.temperature` to be 0.5",
        ),
        (&|e| e.seed = 1, "`seed` to be 1"),
    ];
    for (change, sentence) in changes {
        let mut requested = found.clone();
        change(&mut requested);
        let message = same_settings(Path::new("a"), found, &requested)
            .unwrap_err()
            .to_string();
        assert!(message.contains(sentence), "{message}");
    }
    let with = |isa: &str| Experiment {
        isa: Some(isa.to_owned()),
        ..found.clone()
    };
    let old = Experiment {
        format: 1,
        ..with("unknown")
    };
    same_settings(Path::new("a"), &old, &with("avx2")).unwrap();
    assert!(same_settings(Path::new("a"), &with("portable"), &with("avx2")).is_err());
}

#[test]
fn other_settings_on_the_same_text_are_the_experiment_of_a_run_of_their_own() {
    let resolved = Resolved::fresh(&settings(6), &story()).unwrap();
    let mut long = settings(7);
    long.spec.block_size = 256;
    let mut split = settings(6);
    split.val_fraction = 0.5;
    for settings in [long, split] {
        let own = Resolved::fresh(&settings, &story()).unwrap().experiment;
        assert_eq!(resolved.experiment_of(&settings, &story()).unwrap(), own);
    }
}

/// The runs of a grid tokenize their text once.
#[test]
fn runs_of_a_cache_share_their_corpus() {
    let text = story();
    let cache = gptlab_data::CorpusCache::new(&text);
    let [first, second] = [5, 6].map(|steps| Resolved::fresh(&settings(steps), &cache).unwrap());
    assert!(std::ptr::eq(
        first.batches.corpus(),
        second.batches.corpus()
    ));
    let alone = Resolved::fresh(&settings(5), &text).unwrap();
    assert_eq!(alone.experiment, first.experiment);
    let batch = |resolved: &Resolved| resolved.batches.train(&resolved.model, 3);
    assert_eq!(batch(&alone), batch(&first));
}
