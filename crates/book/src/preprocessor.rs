//! mdBook's preprocessor: the book as JSON, with all references resolved.
//!
//! The protocol is that of mdBook 0.5 (seen with 0.5.4;
//! <https://rust-lang.github.io/mdBook/for_developers/preprocessors.html>). mdBook runs the program
//! once as `gptlab-book supports RENDERER`, and reads the answer from the exit code. Then it runs
//! the program without arguments, writes `[context, book]` to stdin, and reads the changed `book`
//! from stdout. A book has `items`; an item is `"Separator"`, `{"PartTitle": …}` or
//! `{"Chapter": {"content": …, "path": …, "sub_items": […], …}}`.

use std::path::Path;

use serde_json::Value;

use crate::{book::Book, languages::Language, problem::Problem, splice::Form};

/// The only renderer whose output is made: pictures are HTML.
pub const RENDERER: &str = "html";

/// Returns the book that mdBook wrote with all references resolved, as JSON.
///
/// # Errors
/// Returns what is wrong with the input or with references of chapters.
pub fn preprocessed(input: &str) -> Result<String, Vec<Problem>> {
    let wrong = |message: &str| vec![Problem::of("mdBook's input", message)];
    let [context, mut contents]: [Value; 2] = serde_json::from_str(input)
        .map_err(|e| wrong(&format!("expected `[context, book]` of mdBook 0.5: {e}")))?;
    let text = |path: &str| context.pointer(path).and_then(Value::as_str);
    let root = text("/root").ok_or_else(|| wrong("expected the context's `root`"))?;
    let language = text("/config/book/language")
        .and_then(Language::of)
        .ok_or_else(|| wrong("expected `language = \"en\"` or `\"ja\"` in book.toml"))?;
    let folder = Path::new(root).parent().unwrap_or(Path::new("."));
    let book = Book::read(folder)?;
    let items = contents.get_mut("items").and_then(Value::as_array_mut);
    let items = items.ok_or_else(|| wrong("expected the book's `items`: mdBook 0.5 is needed"))?;
    let mut problems = book.problems.clone();
    for item in items {
        resolve(item, &book, language, &mut problems);
    }
    if problems.is_empty() {
        Ok(contents.to_string())
    } else {
        Err(problems)
    }
}

/// Resolves an item and those below it.
fn resolve(item: &mut Value, book: &Book, language: Language, problems: &mut Vec<Problem>) {
    let Some(chapter) = item.get_mut("Chapter") else {
        return;
    };
    let path = chapter.get("path").and_then(Value::as_str);
    let name = path.map(|path| path.trim_end_matches(".md").to_owned());
    let content = chapter.get("content").and_then(Value::as_str);
    if let (Some(name), Some(content)) = (name, content) {
        match book.resolved(language, &name, content, Form::Page) {
            Ok(page) => chapter["content"] = with_language_link(&page, &name, language).into(),
            Err(found) => problems.extend(found),
        }
    }
    let below = chapter.get_mut("sub_items").and_then(Value::as_array_mut);
    for item in below.into_iter().flatten() {
        resolve(item, book, language, problems);
    }
}

/// Returns a page with a link to the same page in the other language below its heading.
fn with_language_link(page: &str, name: &str, language: Language) -> String {
    let (heading, rest) = page.split_once('\n').unwrap_or((page, ""));
    let other = language.other();
    let (code, title) = (other.code(), other.own_name());
    format!(
        "{heading}\n\n<p class=\"language\"><a href=\"../{code}/{name}.html\" lang=\"{code}\" hreflang=\"{code}\">{title}</a></p>\n{rest}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_links_to_the_other_language() {
        let page = with_language_link("# A\n\ntext\n", "01-a", Language::English);
        let expected = "# A\n\n<p class=\"language\"><a href=\"../ja/01-a.html\" lang=\"ja\" hreflang=\"ja\">日本語</a></p>\n\ntext\n";
        assert_eq!(page, expected);
    }

    #[test]
    fn input_of_another_form_is_refused() {
        for (input, expected) in [
            ("x", "expected `[context, book]`"),
            ("[{}, {}]", "the context's `root`"),
            ("[{\"root\": \"/x/en\"}, {}]", "`language = \"en\"`"),
        ] {
            let problems = preprocessed(input).unwrap_err();
            assert!(
                problems[0].message.contains(expected),
                "{input}: {}",
                problems[0]
            );
        }
    }
}
