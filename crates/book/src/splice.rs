//! Puts the values of outputs into a chapter.

use std::{fs, path::Path};

use crate::{
    glossary::Glossary,
    languages::Language,
    lookup::evaluated,
    outputs::Outputs,
    picture,
    reference::{Kind, Piece, Reference, Scan},
    source,
};

/// What a chapter becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Markdown for a page of HTML: pictures are inline, and words are links to the glossary.
    Page,
    /// Markdown for a terminal: pictures are lines that name their files.
    Text,
}

/// What the references of a chapter are resolved with.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// The name of the page.
    pub page: &'a str,
    pub language: Language,
    pub outputs: &'a Outputs,
    /// The root of the repository, where source files are.
    pub repository: &'a Path,
    pub glossary: &'a Glossary,
    pub form: Form,
}

/// Returns `text` with all references resolved.
///
/// # Errors
/// Returns the line and a sentence for each reference that cannot be resolved.
pub fn spliced(text: &str, sources: Sources) -> Result<String, Vec<(usize, String)>> {
    let scan = Scan::of(text);
    let mut errors = scan.errors;
    let mut out = String::new();
    let mut words: Vec<String> = Vec::new();
    for piece in &scan.pieces {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Reference(reference) => match sources.resolve(reference) {
                Ok(resolved) => {
                    out.push_str(&resolved);
                    if let Kind::Word { word, .. } = &reference.kind
                        && !words.contains(word)
                    {
                        words.push(word.clone());
                    }
                }
                Err(error) => {
                    errors.push((reference.line, format!("`{}`: {error}", reference.source)));
                }
            },
        }
    }
    if !errors.is_empty() {
        errors.sort();
        return Err(errors);
    }
    if sources.form == Form::Text && !words.is_empty() {
        out.push_str(&footer(&words, sources.language));
    }
    Ok(out)
}

impl Sources<'_> {
    fn resolve(&self, reference: &Reference) -> Result<String, String> {
        match &reference.kind {
            Kind::Value { expression, format } => {
                evaluated(expression, *format, |output| self.outputs.values(output))
            }
            Kind::Command { output } => Ok(block("sh", &self.outputs.get(output)?.command)),
            Kind::Output { output, lines } => {
                let stdout = self.outputs.get(output)?.file(crate::plan::STDOUT)?;
                Ok(block("text", &range(stdout, *lines)?))
            }
            Kind::Picture {
                output,
                file,
                caption,
            } => {
                let svg = self.outputs.get(output)?.file(file)?;
                let figure = picture::figure(svg, caption)?;
                Ok(match self.form {
                    Form::Page => figure,
                    Form::Text => self.named(output, file, caption),
                })
            }
            Kind::Source { file, start } => {
                let text = fs::read_to_string(self.repository.join(file))
                    .map_err(|error| format!("cannot read {file}: {error}"))?;
                let is_rust = Path::new(file).extension().is_some_and(|e| e == "rs");
                let language = if is_rust { "rust" } else { "text" };
                Ok(block(language, &source::item(&text, start)?))
            }
            Kind::Word { word, shown } => match self.form {
                Form::Page => self.glossary.link(word, shown),
                Form::Text => self.glossary.entry(word).map(|_| shown.clone()),
            },
            Kind::Glossary => Ok(self.glossary.page()),
        }
    }

    /// Returns a line that stands for a picture.
    fn named(&self, output: &str, file: &str, caption: &str) -> String {
        let path = format!("book/outputs/{}/{output}/{file}", self.page);
        match self.language {
            Language::English => format!("Picture: {caption} (`{path}`)"),
            Language::Japanese => format!("図：{caption}（`{path}`）"),
        }
    }
}

/// Returns the paragraph that says how to look the words up.
fn footer(words: &[String], language: Language) -> String {
    let commands: Vec<String> = words
        .iter()
        .map(|word| format!("`gptlab explain {word}`"))
        .collect();
    match language {
        Language::English => format!("\nWords of this chapter: {}.\n", commands.join(", ")),
        Language::Japanese => format!("\nこの章の用語：{}\n", commands.join("、")),
    }
}

/// Returns a fenced block of code.
fn block(language: &str, code: &str) -> String {
    let mut fence = "```".to_owned();
    while code.contains(&fence) {
        fence.push('`');
    }
    format!(
        "{fence}{language}\n{}\n{fence}",
        code.trim_end_matches('\n')
    )
}

/// Returns lines of `text`; `None` for all.
fn range(text: &str, lines: Option<(usize, usize)>) -> Result<String, String> {
    let Some((first, last)) = lines else {
        return Ok(text.to_owned());
    };
    let all: Vec<&str> = text.lines().collect();
    all.get(first - 1..last)
        .map(|lines| lines.join("\n"))
        .ok_or_else(|| {
            format!(
                "expected at least {last} lines, and the output has {}",
                all.len()
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;

    const SVG: &str = "<svg class=\"chart\">\n</svg>";

    fn resolved(
        text: &str,
        form: Form,
        language: Language,
    ) -> Result<String, Vec<(usize, String)>> {
        let book = tempfile::tempdir().unwrap();
        let folder = crate::outputs::folder(book.path(), "01-a", "o");
        fs::create_dir_all(folder.join("r")).unwrap();
        fs::write(folder.join("stdout"), "{\"loss\":3.0718,\n\"n\":58\n}\n").unwrap();
        fs::write(folder.join("r/c.svg"), SVG).unwrap();
        fs::write(book.path().join("m.rs"), "fn f() {\n    1\n}\n").unwrap();
        let plan = "[[chapter]]\nname = \"01-a\"\n[[chapter.output]]\nname = \"o\"\nseconds = 1\n\
                    command = \"gptlab runs\"\nfiles = [\"r/c.svg\"]\n";
        let plan = Plan::parse(plan).unwrap();
        let (outputs, problems) = Outputs::read(book.path(), &plan.chapters[0]);
        assert_eq!(problems, []);
        let glossary = Glossary::parse("### loss\n\nThe loss is a number.\n");
        let sources = Sources {
            page: "01-a",
            language,
            outputs: &outputs,
            repository: book.path(),
            glossary: &glossary,
            form,
        };
        spliced(text, sources)
    }

    #[test]
    fn values_commands_and_outputs_are_put_in() {
        let text = "{{o.loss:.2}} of {{o.n}}\n\n{{#command o}}\n\n{{#output o 2-2}}\n\\{{x}}\n{{#source m.rs | fn f}}\n";
        let page = "3.07 of 58\n\n```sh\ngptlab runs\n```\n\n```text\n\"n\":58\n```\n{{x}}\n\
                    ```rust\nfn f() {\n    1\n}\n```\n";
        assert_eq!(resolved(text, Form::Page, Language::English).unwrap(), page);
    }

    #[test]
    fn a_terminal_sees_names_of_pictures_and_how_to_look_up_words() {
        let text = "{{#word loss | losses}} {{#word loss}}\n\n{{#picture o/r/c.svg | It falls.}}\n";
        let english = "losses loss\n\nPicture: It falls. (`book/outputs/01-a/o/r/c.svg`)\n\n\
                       Words of this chapter: `gptlab explain loss`.\n";
        assert_eq!(
            resolved(text, Form::Text, Language::English).unwrap(),
            english
        );
        let japanese = resolved(text, Form::Text, Language::Japanese).unwrap();
        assert!(
            japanese.ends_with("\nこの章の用語：`gptlab explain loss`\n"),
            "{japanese}"
        );
        let page = resolved(text, Form::Page, Language::English).unwrap();
        assert!(
            page.contains("[losses](glossary.md#loss") && page.contains("<svg"),
            "{page}"
        );
    }

    #[test]
    fn all_errors_are_returned_with_their_lines() {
        let text = "{{o.lost:.2}}\n{{p.loss:.2}} {{#word lots}}\n{{#output o 2-9}}\n{{o.loss:q}}\n\
                    {{#picture o/x.svg | y}}\n{{#source m.rs | fn g}}\n{{#source n.rs | fn f}}\n";
        let errors = resolved(text, Form::Page, Language::English).unwrap_err();
        let expected = [
            (
                1,
                "`{{o.lost:.2}}`: the output has no key `lost`; it has `loss`, `n`",
            ),
            (2, "has no entry `lots`"),
            (2, "has no output `p` in outputs.toml; it has `o`"),
            (3, "expected at least 9 lines, and the output has 3"),
            (4, "`q` is no format"),
            (5, "keeps no file `x.svg`; it keeps `r/c.svg`, `stdout`"),
            (6, "no line of the file contains `fn g`"),
            (7, "cannot read n.rs"),
        ];
        assert_eq!(errors.len(), expected.len(), "{errors:?}");
        for ((line, error), (expected_line, part)) in errors.iter().zip(expected) {
            assert_eq!(*line, expected_line, "{error}");
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn code_with_backticks_gets_a_longer_fence() {
        assert_eq!(block("text", "```\n"), "````text\n```\n````");
    }
}
