//! The report in Markdown, with its charts in files beside it.

use super::{Extras, Figure, contents, pictures::Pictures};
use crate::{
    Arm, Study, StudyKind, ablation, diff, published, table::escape_markdown, visible, words,
};

pub(super) fn page(study: &Study, extras: &Extras, pictures: &Pictures) -> String {
    let mut out = MarkdownText::default();
    out.line(&format!("# {}", escape_markdown(&contents::title(study))));
    out.line(&escape_markdown(&contents::kicker(study)));
    for sentence in ablation::answer(study) {
        out.line(&escape_markdown(&sentence));
    }
    out.figures(&pictures.main);
    out.line("## Results");
    if study.kind == StudyKind::Published {
        out.line(published::table(study).markdown().trim_end());
    }
    out.line(ablation::table(study).markdown().trim_end());
    if let Some(tuned) = ablation::tuned_table(study) {
        out.line(tuned.markdown().trim_end());
    }
    if study.kind == StudyKind::Ablation {
        out.line("## Predictions and outcomes");
        out.line(ablation::predictions(study).markdown().trim_end());
    }
    if !pictures.beside.is_empty() {
        out.line("## Side by side");
        out.figures(&pictures.beside);
    }
    if !pictures.observed.is_empty() {
        out.line("## Observations inside the model");
        out.figures(&pictures.observed);
    }
    if !pictures.inside.is_empty() {
        out.line("## What the finished models attend to");
        out.figures(&pictures.inside);
    }
    if let Some(floors) = &study.floors {
        out.line("## What a loss means");
        out.line(ablation::guides(floors).markdown().trim_end());
    }
    out.line(if study.arms.len() == 1 {
        "## The run"
    } else {
        "## The variants"
    });
    for arm in &study.arms {
        entry(&mut out, study, arm);
    }
    out.line("## How it was made");
    out.list(&contents::facts(study, extras.date.as_deref()));
    if let Some(command) = contents::command(study) {
        out.line("To repeat it:");
        out.fenced("sh", &command);
    }
    out.0
}

fn entry(out: &mut MarkdownText, study: &Study, arm: &Arm) {
    let variant = &arm.variant;
    out.line(&format!(
        "### {}: {}",
        escape_markdown(&variant.name),
        escape_markdown(&variant.title)
    ));
    out.list(&contents::entry(study, arm));
    // A sweep has no baseline, and its listings are in the JSON.
    let baseline = study.baseline().unwrap_or(arm);
    let lines = diff::listing(&baseline.variant.listing, &variant.listing);
    if !lines.is_empty() && !arm.concealed {
        out.line("The listing, against the baseline's:");
        let lines: Vec<String> = lines
            .iter()
            .map(|l| format!("{} {}", l.sign, l.text))
            .collect();
        out.fenced("diff", &lines.join("\n"));
    }
    let samples = arm.runs.first().map_or_else(Vec::new, |run| run.samples());
    for (step, text) in samples {
        let after = words::plural(step as usize, "step");
        out.line(&format!("After {after} it wrote:"));
        out.fenced("text", text);
    }
}

/// A text of paragraphs, separated by empty lines.
#[derive(Default)]
pub(super) struct MarkdownText(pub(super) String);

impl MarkdownText {
    pub(super) fn line(&mut self, text: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push_str(&visible::text(text));
        self.0.push('\n');
    }

    pub(super) fn list(&mut self, facts: &[(&str, String)]) {
        let items: Vec<String> = facts
            .iter()
            .map(|(name, value)| format!("- **{name}:** {}", escape_markdown(value)))
            .collect();
        self.line(&items.join("\n"));
    }

    /// Adds a code block whose fence does not occur in the text.
    pub(super) fn fenced(&mut self, language: &str, text: &str) {
        let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
        let fence = "`".repeat(longest.max(2) + 1);
        self.line(&format!(
            "{fence}{language}\n{}\n{fence}",
            text.trim_end_matches('\n')
        ));
    }

    pub(super) fn figures(&mut self, figures: &[Figure]) {
        for figure in figures {
            let pictures = figure.pictures().into_iter();
            let links: Vec<String> = pictures
                .map(|(file, chart)| format!("![{}]({file})", escape_markdown(&chart.title)))
                .collect();
            self.line(&links.join("\n"));
            let (title, about) = (figure.title(), figure.caption().text());
            self.line(&format!(
                "**{}.** {}",
                escape_markdown(title),
                escape_markdown(&about)
            ));
        }
    }
}
