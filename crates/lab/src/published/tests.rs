use gptlab_data::Text;
use gptlab_recipe::TextOrigin;
use gptlab_record::{CellOutcome, PublishedQuantity, PublishedVerdict, Variant};

use super::*;

/// A file of one result on a text, whose last lines are `rest`.
fn file(rest: &str) -> String {
    let text = text();
    format!(
        "[texts.cats]\ntitle = \"cats\"\nbytes = {}\nsha256 = \"{}\"\nfound = \"nowhere\"\n\n\
         [sources.us]\nauthor = \"Nobody\"\nyear = 1999\naddress = \"https://example.org\"\n\n\
         [[results]]\nname = \"one\"\nsource = \"us\"\ntext = \"cats\"\npreset = \"gpt2-mini\"\n{rest}",
        text.bytes(),
        text.fingerprint()
    )
}

fn text() -> Text {
    let text = "the cat sat on the mat; ".repeat(40);
    Text::from_bytes(text.into_bytes(), TextOrigin::Other("cats".into())).expect("a text")
}

const LOSS: &str = "quantity = \"validation-loss\"\nvalue = 2.5\n";

fn one(rest: &str) -> PublishedResult {
    let mut rows = read("one.toml", &file(rest)).expect("a file");
    rows.pop().expect("a result")
}

#[test]
fn the_program_s_own_results_can_be_read() {
    let all = results().expect("the program's own file");
    let short: Vec<&str> = all
        .iter()
        .filter(|row| !row.long)
        .map(|row| row.name.as_str())
        .collect();
    let expected = [
        "base",
        "RMSNorm",
        "SwiGLU",
        "no position",
        "rotary",
        "two kv heads",
        "no residual",
        "no attention",
    ];
    assert_eq!(short, expected);
    let value = |name: &str| all.iter().find(|row| row.name == name).unwrap().value;
    assert_eq!(value("rotary"), Some(1.7969));
    assert_eq!(value("rate 1e-2 QK-norm"), Some(1.257));
    assert!(
        all.iter()
            .all(|row| row.seeds == 3 && row.text.bytes == 1_115_394)
    );
}

#[test]
fn a_result_is_read_with_what_it_names() {
    let row = one(&format!(
        "{LOSS}spread = 0.1\nseeds = 5\nsettings = {{ n-layer = 1, lr = 1e-2 }}\n"
    ));
    assert_eq!(
        (row.value, row.spread, row.seeds),
        (Some(2.5), Some(0.1), 5)
    );
    assert_eq!(row.source.sentence(), "Nobody (1999), https://example.org");
    let settings = row.settings(&Overrides::default()).expect("settings");
    assert_eq!(settings.spec.layers.len(), 1);
    assert_eq!((settings.hyper.lr, settings.hyper.steps), (1e-2, 1_000));
    // A short recipe warms up for as long as the preset does in so few steps.
    let short = one(&format!("{LOSS}settings = {{ steps = 20 }}\n"));
    let settings = short.settings(&Overrides::default()).expect("settings");
    assert_eq!((settings.hyper.steps, settings.hyper.warmup), (20, 2));
    let ngram = one("quantity = { ngram-baseline = 2 }\nwithin = 0.1\nlong = true\n");
    assert_eq!(ngram.quantity, PublishedQuantity::NgramBaseline(2));
    assert!(ngram.long && ngram.value.is_none());
}

#[test]
fn a_mistake_is_a_sentence_with_its_line() {
    let cases = [
        (
            "quantity = \"loss\"\nvalue = 1.0\n",
            "line 17: unknown variant `loss`",
        ),
        (
            "quantity = \"validation-loss\"\n",
            "line 12: the result `one`: a loss needs the published `value`",
        ),
        (
            "quantity = \"validation-loss\"\nvalue = -1.0\n",
            "line 12: the result `one`: `value` must be from 0 to 100, found -1",
        ),
        (
            "quantity = { ngram-baseline = 99 }\n",
            "line 12: the result `one`: the order of an n-gram baseline must be from 1 to 16, found 99",
        ),
        (
            "quantity = { ngram-floor = 1 }\nvalue = 1.0\n",
            "line 12: the result `one`: the program measures an n-gram baseline; leave out `value` and",
        ),
        (
            &format!("{LOSS}within = 0.1\n"),
            "line 12: the result `one`: `within` belongs to an n-gram baseline; a loss has a `spread`",
        ),
        (
            &format!("{LOSS}seeds = 0\n"),
            "line 12: the result `one`: seeds must be from 1 to 1000, found 0",
        ),
        (&format!("{LOSS}speed = 1\n"), "unknown field `speed`"),
        (
            &format!("{LOSS}settings = {{ n-layr = 1 }}\n"),
            "there is no setting called `n-layr`; did you mean `n-layer`?",
        ),
        (
            &format!("{LOSS}settings = {{ preset = \"nano\" }}\n"),
            "line 12: the result `one`: the preset stands in `preset`, not among the settings",
        ),
        (
            &format!("{LOSS}settings = {{ seed = 1 }}\n"),
            "line 12: the result `one`: a recipe has no seed of its own; `seeds` is their number",
        ),
        (
            &format!("{LOSS}settings = {{ beta1 = 2.0 }}\n"),
            "line 12: the result `one`: beta1 must be at least 0 and below 1, found 2",
        ),
    ];
    for (rest, expected) in cases {
        let error = read("one.toml", &file(rest)).unwrap_err().to_string();
        assert!(error.starts_with("one.toml"), "{error}");
        assert!(error.contains(expected), "{rest}: {error}");
    }
    let changed = |from: &str, to: &str| {
        let error = read("one.toml", &file(LOSS).replace(from, to));
        error.unwrap_err().to_string()
    };
    let name = changed("\"one\"", "\"a, b\"");
    assert!(name.contains("found \"a, b\""), "{name}");
    assert!(changed("\"one\"", "\"main\"").contains("which names a list"));
    let source = changed("source = \"us\"", "source = \"them\"");
    assert!(
        source.contains("no source called `them`; the file names us"),
        "{source}"
    );
    let text = changed("text = \"cats\"", "text = \"dogs\"");
    assert!(
        text.contains("no text called `dogs`; the file names cats"),
        "{text}"
    );
    let preset = changed("gpt2-mini", "gpt9");
    assert!(
        preset.contains("there is no preset called \"gpt9\""),
        "{preset}"
    );
    let nobody = "author = \"Nobody\"\nyear = 1999\naddress = \"https://example.org\"\n";
    assert!(changed(nobody, "").contains("the source `us` needs an author"));
    let hash = changed("sha256 = \"", "sha256 = \"0");
    assert!(hash.contains("64 hexadecimal digits"), "{hash}");
    let twice = file(LOSS) + &file(LOSS)[file(LOSS).find("[[results]]").unwrap()..];
    let twice = read("one.toml", &twice).unwrap_err().to_string();
    assert!(twice.contains("a second result is called `one`"), "{twice}");
}

#[test]
fn results_are_chosen_by_name_and_by_text() {
    let all = results().expect("the program's own file");
    let (short, long) = chosen(&all, "main").expect("the short ones");
    assert_eq!((short.len(), long.len()), (8, 3));
    assert_eq!(long[1].name, "rate-1e-2");
    let (every, none) = chosen(&all, "all").expect("all");
    assert_eq!((every.len(), none.len()), (11, 0));
    let (two, _) = chosen(&all, "no-position, RMSNorm,rmsnorm").expect("two");
    assert_eq!((two[0].name.as_str(), two.len()), ("no position", 2));
    let (both, left) = chosen(&all, "main,rate-1e-2").expect("nine");
    assert_eq!((both.len(), left.len()), (9, 2));
    let unknown = chosen(&all, "rotry").unwrap_err().to_string();
    assert!(unknown.contains("did you mean `rotary`?"), "{unknown}");
    let nothing = chosen(&all, ",").unwrap_err().to_string();
    assert!(
        nothing.contains("no published result is named; there are base, "),
        "{nothing}"
    );

    let other = on_text(two.clone(), &text()).unwrap_err().to_string();
    for said in [
        "measured on tiny Shakespeare (1,115,394 bytes, SHA-256 86c4e6aa",
        "found cats (960 bytes, SHA-256 ",
    ] {
        assert!(other.contains(said), "{other}");
    }
    let mixed: Vec<PublishedResult> = two.into_iter().chain([one(LOSS)]).collect();
    let (own, others) = on_text(mixed, &text()).expect("one on this text");
    assert_eq!((own[0].name.as_str(), own.len()), ("one", 1));
    assert_eq!(others[0].name, "no-position");
    assert!(others[0].why.contains("another text, tiny Shakespeare"));
}

#[test]
fn only_settings_that_change_no_result_may_be_typed() {
    let typed = |key: &str, value: &str| {
        let mut overrides = Overrides::default();
        overrides.set(key, value).expect("a setting");
        changing(&overrides)
    };
    for (key, value) in [("seed", "4"), ("log-interval", "9"), ("observe", "full")] {
        assert_eq!(typed(key, value), None);
    }
    for (key, value) in [
        ("steps", "4"),
        ("lr", "1"),
        ("n-layer", "2"),
        ("precision", "bf16"),
    ] {
        assert_eq!(typed(key, value), Some(key.to_owned()));
    }
}

/// Compares runs that end at `losses` with `result`.
fn compared(
    result: &PublishedResult,
    ngram: Option<f64>,
    losses: &[Option<f64>],
) -> gptlab_record::PublishedComparison {
    let variant = Variant {
        name: result.name.clone(),
        title: String::new(),
        purpose: String::new(),
        prediction: String::new(),
        source: result.source.sentence(),
        listing: String::new(),
        parameters: 0,
        settings: Vec::new(),
        experiment: None,
        expected: None,
        published: Some(result.claim()),
    };
    let outcomes: Vec<CellOutcome> = (0..)
        .zip(losses)
        .map(|(seed, loss)| CellOutcome {
            seed,
            diverged_at: loss.is_none().then_some(3),
            val_loss: *loss,
            train_loss: loss.map(|loss| loss - 1.0),
            grad_norm: None,
            skill_loss: None,
            sample: None,
        })
        .collect();
    compare(&variant, ngram, &outcomes).expect("a claim")
}

/// The deviation of 2.4, 2.5 and 2.6 is 0.1, and `qt(0.975, 2)` is 4.302653, so that half the
/// interval of a single run is 0.1 · 4.302653 · √(4/3) = 0.496828.
#[test]
fn a_value_agrees_if_it_lies_in_the_interval_of_a_single_run() {
    let losses = [Some(2.4), Some(2.5), Some(2.6)];
    let at = |value: f64, rest: &str| {
        let row = one(&format!(
            "quantity = \"validation-loss\"\nvalue = {value:?}\n{rest}"
        ));
        compared(&row, None, &losses)
    };
    let found = at(2.75, "");
    assert_eq!(found.verdict, PublishedVerdict::Agrees);
    assert!((found.difference.unwrap() + 0.25).abs() < 1e-12);
    let interval = found.interval.unwrap();
    assert!((interval.high - 2.996_828).abs() < 1e-6, "{interval:?}");
    assert!((interval.low - 2.003_172).abs() < 1e-6, "{interval:?}");
    assert_eq!(at(2.9968, "").verdict, PublishedVerdict::Agrees);
    assert_eq!(at(2.9969, "").verdict, PublishedVerdict::Differs);
    assert_eq!(at(2.0031, "").verdict, PublishedVerdict::Differs);
    // Two decimals may stand for a loss from 2.995 to 3.005.
    assert_eq!(at(3.0, "").verdict, PublishedVerdict::Agrees);
    assert_eq!(at(3.01, "").verdict, PublishedVerdict::Differs);
    let wide = at(3.01, "spread = 0.05\n");
    assert_eq!(
        (wide.verdict, wide.has_spread),
        (PublishedVerdict::Agrees, true)
    );
}

#[test]
fn what_cannot_be_told_is_not_told() {
    let row = one(LOSS);
    let verdict = |losses: &[Option<f64>]| compared(&row, None, losses).verdict;
    assert_eq!(verdict(&[]), PublishedVerdict::CannotBeTold);
    assert_eq!(verdict(&[Some(2.5)]), PublishedVerdict::CannotBeTold);
    let diverged = compared(&row, None, &[Some(2.5), Some(2.5), None]);
    assert_eq!(diverged.verdict, PublishedVerdict::CannotBeTold);
    assert_eq!(diverged.ours, Some(2.5));
    // Two runs that learned, and one that did not.
    let apart = compared(&row, None, &[Some(2.5), Some(2.5), Some(4.0)]);
    assert_eq!(apart.verdict, PublishedVerdict::CannotBeTold);
    assert!(apart.interval.unwrap().width() > 2.0);
    assert_eq!(verdict(&[Some(2.5), Some(2.5)]), PublishedVerdict::Agrees);
    assert_eq!(verdict(&[Some(2.6), Some(2.6)]), PublishedVerdict::Differs);
}

#[test]
fn a_training_loss_and_an_n_gram_baseline_have_their_own_numbers() {
    let training = one("quantity = \"training-loss\"\nvalue = 1.5\n");
    let found = compared(&training, None, &[Some(2.49), Some(2.51)]);
    assert_eq!(found.verdict, PublishedVerdict::Agrees);
    assert!((found.ours.unwrap() - 1.5).abs() < 1e-12);
    let ngram = one("quantity = { ngram-floor = 1 }\nwithin = 0.05\n");
    let on = |ngram_loss| compared(&ngram, ngram_loss, &[Some(3.3), Some(3.3)]);
    assert_eq!(on(Some(3.34)).verdict, PublishedVerdict::Agrees);
    assert_eq!(on(Some(3.4)).verdict, PublishedVerdict::Differs);
    assert_eq!(on(None).verdict, PublishedVerdict::CannotBeTold);
}
