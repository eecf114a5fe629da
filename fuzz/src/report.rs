//! Reports and comparisons of records that hold anything.

use std::{fs, path::Path};

use arbitrary::{Result, Unstructured};
use gptlab_report::{
    RecordedRun, Study, ablation,
    diff::{self, ComparedRun},
    doctor,
    page::{self, Extras},
    plot::{self, Glyphs, PlotAxes, PlotLevel, PlotLine, PlotSize},
};
use serde_json::Value;

use super::{
    edit::edited,
    folder::{empty, put, within},
    made::MADE,
};

/// A run's folder, or a grid's with one run, and all that is said of it.
pub fn study(data: &[u8]) {
    let (way, rest) = data.split_first().unwrap_or((&0, &[]));
    let mut u = Unstructured::new(rest);
    within("study", |folder| {
        let folder = empty(folder);
        // Too few bytes make no input.
        let _ = match way % 3 {
            0 => {
                run_of_lines(&folder, rest);
                Ok(())
            }
            1 => run(&folder, &mut u),
            _ => grid(&folder, &mut u),
        };
        if let Ok(study) = Study::read(&folder) {
            say(&study);
        }
    });
}

/// A run whose events are the input as it is.
fn run_of_lines(folder: &Path, events: &[u8]) {
    made(folder);
    put(
        &folder.join("experiment.json"),
        MADE.experiment.to_string().as_bytes(),
    );
    put(&folder.join("events.jsonl"), events);
}

fn run(folder: &Path, u: &mut Unstructured) -> Result<()> {
    made(folder);
    let events = edited(&MADE.events, u)?;
    put(&folder.join("events.jsonl"), of_lines(&events).as_bytes());
    put_edited(folder, "experiment.json", &MADE.experiment, u)
}

fn grid(folder: &Path, u: &mut Unstructured) -> Result<()> {
    made(folder);
    put_edited(folder, "grid.json", &MADE.grid, u)?;
    put_edited(folder, "results.json", &MADE.results, u)?;
    let cell = MADE.grid["cells"][0]["folder"].as_str().unwrap_or_default();
    run(&folder.join(cell), u)?;
    put_edited(&folder.join(cell), "outcome.json", &MADE.outcome, u)
}

fn made(folder: &Path) {
    fs::create_dir_all(folder).expect("a folder in the temporary folder");
}

fn put_edited(folder: &Path, name: &str, made: &Value, u: &mut Unstructured) -> Result<()> {
    let text = edited(made, u)?.to_string();
    put(&folder.join(name), text.as_bytes());
    Ok(())
}

fn of_lines(events: &Value) -> String {
    let events = events.as_array().map_or(&[][..], Vec::as_slice);
    events
        .iter()
        .map(|event| event.to_string() + "\n")
        .collect()
}

/// All files of a report, its tables, its curves in a terminal, and the doctor. Pictures and the
/// page are well-formed as far as a count of brackets tells.
fn say(study: &Study) {
    for file in page::files(study, &Extras::default()) {
        assert!(!file.name.contains('/'), "{}", file.name);
        if Path::new(&file.name)
            .extension()
            .is_some_and(|e| e == "svg")
        {
            well_formed(&file.text);
        }
    }
    let _ = ablation::table(study).text(100);
    let _ = ablation::answer(study);
    for run in study.arms.iter().flat_map(|arm| &arm.runs) {
        let _ = doctor::examine(run, study.floors.as_ref()).lines();
        let points = run
            .curve()
            .into_iter()
            .map(|(step, loss)| (step as f64, loss));
        let line = PlotLine {
            label: study.name.clone(),
            points: points.collect(),
        };
        let size = PlotSize {
            width: 60,
            height: 10,
        };
        let axes = PlotAxes {
            x: "step".to_owned(),
            y: study.name.clone(),
            level: line.points.first().map(|(_, height)| PlotLevel {
                label: study.name.clone(),
                height: *height,
            }),
        };
        let _ = plot::plot(&[line.clone(), line.clone()], &axes, size, Glyphs::Ascii);
        let _ = plot::plot(&[line], &axes, size, Glyphs::Unicode);
    }
}

/// XML has no control characters, and as many opening brackets as closing ones.
fn well_formed(svg: &str) {
    let control = |c: char| c.is_control() && !"\n\r\t".contains(c);
    assert!(!svg.contains(control), "a control character in an SVG");
    assert_eq!(svg.matches('<').count(), svg.matches('>').count());
    // The first tag says what the picture is called, which may be anything.
    let tags = svg.split('<').filter_map(|tag| tag.split_once('>'));
    for (tag, _) in tags.filter(|(tag, _)| !tag.starts_with("svg ")) {
        let number = !tag.contains("NaN") && !tag.contains("inf");
        assert!(number, "a place that is no number: {tag}");
    }
}

/// Two runs: each is equal to itself, and they differ alike from both sides.
pub fn diff(data: &[u8]) {
    let mut u = Unstructured::new(data);
    within("diff", |folder| {
        let (Ok(Some(a)), Ok(Some(b))) = (side(folder, "a", &mut u), side(folder, "b", &mut u))
        else {
            return;
        };
        for one in [&a, &b] {
            assert!(diff::compare(one, one).equal, "a run differs from itself");
        }
        let (there, back) = (diff::compare(&a, &b), diff::compare(&b, &a));
        assert_eq!(there.equal, back.equal);
        assert_eq!(there.settings.len(), back.settings.len());
        let width = usize::from(u.arbitrary::<u8>().unwrap_or(100));
        let _ = there.text(width, Glyphs::Unicode);
        let _ = serde_json::to_string(&there).expect("a comparison is JSON");
    });
}

fn side(folder: &Path, name: &str, u: &mut Unstructured) -> Result<Option<ComparedRun>> {
    let folder = folder.join(name);
    run(&folder, u)?;
    Ok(RecordedRun::read(&folder)
        .ok()
        .and_then(|run| ComparedRun::of_run(name, &run).ok()))
}
