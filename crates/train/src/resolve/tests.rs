use super::*;
use crate::testing::{EventKeeper, settings, story, targets, text, train};

type Change = dyn Fn(&mut Settings);
type Alteration = dyn Fn(&mut Experiment);

/// A folder with a checkpoint after one step, and the checkpoint's path.
fn begun() -> (tempfile::TempDir, std::path::PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let resolved = Resolved::fresh(&settings(6), &story()).unwrap();
    train(
        &resolved,
        targets(root.path()),
        &mut EventKeeper::stopping_after(1),
    );
    let (_, path) = gptlab_record::checkpoints(root.path())
        .unwrap()
        .pop()
        .unwrap();
    (root, path)
}

#[test]
fn a_text_shorter_than_the_context_shrinks_it_and_says_so() {
    let mut long = settings(2);
    long.spec.block_size = 256;
    let resolved = Resolved::fresh(&long, &story()).unwrap();
    // 65 characters: 58 to train on, and the last of them only to be predicted.
    assert_eq!(resolved.experiment.spec.block_size, 57);
    assert_eq!(resolved.batches.block_size(), 57);
    let said = resolved.notices[0].to_string();
    assert!(
        said.starts_with("the context shrank from 256 to 57 tokens"),
        "{said}"
    );
    let fits = Resolved::fresh(&settings(2), &story()).unwrap();
    assert_eq!(fits.notices, []);
}

/// Counted off the text: with their BOS, the documents have 9, 4, 11 and 7 predictions.
#[test]
fn documents_longer_than_the_context_are_cut_and_that_is_said() {
    let mut lines = settings(2);
    lines.tokenizer = gptlab_recipe::TokenizerKind::Lines.into();
    let said = |documents: &str| {
        let resolved = Resolved::fresh(&lines, &text(documents)).unwrap();
        let notices: Vec<String> = resolved.notices.iter().map(Notice::to_string).collect();
        notices.join("; ")
    };
    assert_eq!(
        said("abcdefgh\nabc\nhgfedcbahg\nabcdef\n".repeat(3).as_str()),
        "9 of 12 documents are longer than the context of 5 tokens: they are cut into 21 pieces, and all of \
         them are trained or validated on"
    );
    assert_eq!(
        said("a\nb\nc\nd\ne\nf\ng\nh\ni\nabcdef"),
        "1 of 10 documents is longer than the context of 5 tokens: it is cut into 2 pieces, and all of them \
         are trained or validated on"
    );
    assert_eq!(said(&"abcd\n".repeat(10)), "");
}

#[test]
fn two_characters_are_enough() {
    let resolved = Resolved::fresh(&settings(2), &text("ab")).unwrap();
    assert_eq!(resolved.experiment.spec.block_size, 1);
    assert_eq!(resolved.experiment.data.val_fraction, 0.0);
    let said: Vec<String> = resolved.notices.iter().map(Notice::to_string).collect();
    assert!(
        said[0].starts_with("nothing is kept for validation"),
        "{said:?}"
    );
    assert!(
        said[1].starts_with("the context shrank from 5 to 1"),
        "{said:?}"
    );
    let outcome = train(
        &resolved,
        crate::Targets::default(),
        &mut EventKeeper::default(),
    );
    let saved = Vec::new();
    assert_eq!(outcome, crate::Outcome::Finished { step: 2, saved });
}

#[test]
fn settings_that_make_no_sense_are_sentences() {
    let mut wrong = settings(2);
    wrong.hyper.steps = 0;
    let said = Resolved::fresh(&wrong, &story()).unwrap_err().to_string();
    assert!(said.starts_with("steps must be from 1"), "{said}");
    let mut wrong = settings(2);
    wrong.spec.n_embd = 5;
    let said = Resolved::fresh(&wrong, &story()).unwrap_err().to_string();
    assert!(said.starts_with("n_head must divide n_embd"), "{said}");
    let mut wrong = settings(2);
    wrong.val_fraction = 1.5;
    let said = Resolved::fresh(&wrong, &story()).unwrap_err().to_string();
    assert!(said.contains("below 1, found 1.5"), "{said}");
    let mut lines = settings(2);
    lines.tokenizer = gptlab_recipe::TokenizerKind::Lines.into();
    let said = Resolved::fresh(&lines, &text(" \n \n"))
        .unwrap_err()
        .to_string();
    assert!(said.contains("no characters besides white space"), "{said}");
}

#[test]
fn the_experiment_says_it_all_and_reads_back_the_same() {
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
    let said = Resolved::resume(checkpoint, &other, None, &options).unwrap_err();
    let said = said.to_string();
    let [mine, yours] = [story(), other.clone()].map(|t| t.fingerprint().short());
    assert!(
        said.ends_with(&format!(
            "step-00000001.safetensors: expected the text it was trained on, with fingerprint {mine}, \
             found a small text with fingerprint {yours}; a run resumes only with its own text"
        )),
        "{said}"
    );
    assert!(Resolved::resume_run(root.path(), &other, "again", None).is_err());
}

#[test]
fn other_settings_are_refused_by_name() {
    let (_root, path) = begun();
    let cases: [(&Change, &str); 7] = [
        (
            &|s| s.hyper.lr = 0.1,
            "`hyper.lr` to be 0.1, as asked for, found 0.05;",
        ),
        (
            &|s| s.hyper.steps = 7,
            "`hyper.steps` to be 7, as asked for, found 6;",
        ),
        (
            &|s| s.seed = 1,
            "`seed` to be 1, as asked for, found 18446744073709551609;",
        ),
        (
            &|s| s.spec.dropout = 0.25,
            "`spec.dropout` to be 0.25, as asked for, found 0.1;",
        ),
        (
            &|s| s.spec.layers.push(Vec::new()),
            "`spec.layers` to be a list of 2, as asked for, found a list of 1;",
        ),
        (
            &|s| s.val_fraction = 0.5,
            "`data.val_fraction` to be 0.5, as asked for, found 0.1;",
        ),
        (
            &|s| s.tokenizer = gptlab_recipe::TokenizerKind::Lines.into(),
            "`tokenizer.kind` to be \"lines\", as asked for, found \"chars\";",
        ),
    ];
    for (change, sentence) in cases {
        let mut asked = settings(6);
        change(&mut asked);
        let checkpoint = Checkpoint::open(&path).unwrap();
        let options = ResumeOptions::of(&asked);
        let said = Resolved::resume_as(&asked, checkpoint, &story(), None, &options);
        let said = said.unwrap_err().to_string();
        assert!(said.contains(sentence), "{said}");
    }
    let checkpoint = Checkpoint::open(&path).unwrap();
    let options = ResumeOptions::of(&settings(6));
    let asked = settings(6);
    let resolved = Resolved::resume_as(&asked, checkpoint, &story(), None, &options).unwrap();
    assert_eq!(resolved.first_step(), 1);
}

#[test]
fn a_folder_that_is_no_run_is_a_sentence() {
    let root = tempfile::tempdir().unwrap();
    let said = Resolved::resume_run(root.path(), &story(), "again", None);
    let said = said.unwrap_err().to_string();
    assert!(
        said.contains("experiment.json: there is no such file"),
        "{said}"
    );
}

#[test]
fn a_loaded_run_that_saved_nothing_must_begin_anew() {
    let (root, path) = begun();
    let checkpoint = Checkpoint::open(&path).unwrap();
    let resolved = Resolved::load(&settings(6), &story(), checkpoint).unwrap();
    let folder = root.path().join("tuned");
    gptlab_record::Store::create(&folder, &resolved.experiment).unwrap();
    let said = Resolved::resume_run(&folder, &story(), "again", None);
    let said = said.unwrap_err().to_string();
    assert!(
        said.contains("expected a checkpoint to resume, found none; begin again from"),
        "{said}"
    );
}

/// What is only looked at and what decides a number are settings alike; where the text was found is
/// none.
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
            "`hyper.eps` to be 0.5, as asked for",
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
        let mut asked = found.clone();
        change(&mut asked);
        let said = same_settings(Path::new("a"), found, &asked)
            .unwrap_err()
            .to_string();
        assert!(said.contains(sentence), "{said}");
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

/// A grid makes the tokens of its text once.
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
