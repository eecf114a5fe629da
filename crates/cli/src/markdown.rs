//! Markdown as text for a terminal.

use gptlab_report::{
    table::{Column, Table, TableCell},
    words::display_width,
};
use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use textwrap::WordSplitter;

/// Returns `markdown` as lines of at most `width` columns. Code keeps its lines, however long they
/// are. Marks of emphasis are left out, and those of code stay.
pub(crate) fn terminal(markdown: &str, width: usize) -> String {
    let mut page = Page {
        width,
        ..Page::default()
    };
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
        page.take(event);
    }
    page.out.trim_end().replace('\u{2060}', "") + "\n"
}

/// The text so far, and the block that is being read.
#[derive(Default)]
struct Page {
    out: String,
    width: usize,
    /// The inline text of the block.
    inline: String,
    /// For each list around the block, the number of its next item; `None` has bullets.
    lists: Vec<Option<u64>>,
    /// The mark of the list item whose first block is not yet written.
    mark: Option<String>,
    /// The code of the block of code, while one is being read.
    code: Option<String>,
    /// The rows of the table, while one is being read; the first has the titles.
    rows: Vec<Vec<String>>,
    /// The target of the link that is being read.
    link: Option<String>,
    /// Where in the inline text the last bold part began.
    bold_from: Option<usize>,
    /// Whether the inline text is a bold beginning so far, as of a paragraph with a heading.
    is_heading_so_far: bool,
}

impl Page {
    fn take(&mut self, event: Event<'_>) {
        self.end_heading(&event);
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => match &mut self.code {
                Some(code) => code.push_str(&text),
                None => self.inline.push_str(&text),
            },
            Event::Code(code) | Event::InlineMath(code) | Event::DisplayMath(code) => {
                // A path or a flag is not broken, so that it can be copied.
                let whole = code.replace('/', "/\u{2060}").replace('-', "-\u{2060}");
                self.inline += &["`", &whole, "`"].concat();
            }
            Event::SoftBreak | Event::HardBreak => self.inline.push('\n'),
            Event::Html(html) | Event::InlineHtml(html) => self.inline.push_str(&html),
            Event::FootnoteReference(name) => self.inline += &["[", &name, "]"].concat(),
            Event::Rule => self.out += &("-".repeat(self.width.min(RULE)) + "\n\n"),
            Event::TaskListMarker(done) => self.inline += if done { "[x] " } else { "[ ] " },
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the text of all other blocks is shown as it is"
    )]
    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::List(first) => {
                // The text of an item stands before the list inside of it.
                self.paragraph();
                self.lists.push(first);
            }
            Tag::Item => {
                self.mark = Some(match self.lists.last_mut() {
                    Some(Some(number)) => {
                        *number += 1;
                        format!("{}. ", *number - 1)
                    }
                    Some(None) | None => "- ".to_owned(),
                });
            }
            Tag::CodeBlock(CodeBlockKind::Fenced(_) | CodeBlockKind::Indented) => {
                self.code = Some(String::new());
            }
            Tag::Strong => self.bold_from = Some(self.inline.len()),
            Tag::TableHead | Tag::TableRow => self.rows.push(Vec::new()),
            Tag::Link { dest_url, .. } => self.link = Some(dest_url.into_string()),
            _ => {}
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the text of all other blocks is shown as it is"
    )]
    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(level) => self.heading(level),
            TagEnd::Paragraph => {
                self.paragraph();
                self.blank();
            }
            TagEnd::Item => {
                self.paragraph();
                self.mark = None;
            }
            TagEnd::List(_) => {
                self.lists.pop();
                self.blank();
            }
            TagEnd::CodeBlock => {
                self.out += &self.code.take().unwrap_or_default();
                self.blank();
            }
            TagEnd::TableCell => {
                let cell = joined(&std::mem::take(&mut self.inline));
                if let Some(row) = self.rows.last_mut() {
                    row.push(cell);
                }
            }
            TagEnd::Table => self.table(),
            TagEnd::Strong => self.is_heading_so_far = self.bold_from == Some(0),
            TagEnd::Link => {
                let target = self.link.take().unwrap_or_default();
                if !self.inline.ends_with(&target) {
                    self.inline += &[" (", &target, ")"].concat();
                }
            }
            _ => {}
        }
    }

    /// Puts a colon after a bold beginning that a space follows, because the text is not bold here.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "no other event begins with a space"
    )]
    fn end_heading(&mut self, next: &Event<'_>) {
        let follows_space = match next {
            Event::Text(text) => text.starts_with(' '),
            Event::SoftBreak => true,
            _ => false,
        };
        let begun = std::mem::take(&mut self.is_heading_so_far);
        let Some(last) = self
            .inline
            .chars()
            .last()
            .filter(|_| begun && follows_space)
        else {
            return;
        };
        if last.is_alphanumeric() {
            self.inline.push_str(if is_wide(last) { "：" } else { ":" });
        }
    }

    /// Ends the block with an empty line.
    fn blank(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    fn heading(&mut self, level: HeadingLevel) {
        let title = joined(&std::mem::take(&mut self.inline));
        let line = if level == HeadingLevel::H1 { "=" } else { "-" };
        let line = line.repeat(display_width(&title).min(self.width));
        self.out += &[&title, "\n", &line, "\n\n"].concat();
    }

    /// Writes the inline text, with the mark of its list item.
    fn paragraph(&mut self) {
        let text = joined(&std::mem::take(&mut self.inline));
        if text.is_empty() {
            return;
        }
        let nested = "  ".repeat(self.lists.len().saturating_sub(1));
        let begun = " ".repeat(if self.lists.is_empty() { 0 } else { 2 });
        let first = nested.clone() + self.mark.take().as_deref().unwrap_or(&begun);
        let later = nested + &begun;
        let options = textwrap::Options::new(self.width)
            .initial_indent(&first)
            .subsequent_indent(&later)
            .break_words(false)
            .word_splitter(WordSplitter::NoHyphenation);
        self.out += &textwrap::fill(&text, options);
        self.out.push('\n');
    }

    fn table(&mut self) {
        let mut rows = std::mem::take(&mut self.rows).into_iter();
        let titles = rows.next().unwrap_or_default();
        let columns = titles.iter().map(|title| Column::words(title)).collect();
        let mut table = Table::new("", columns);
        for row in rows {
            table.push(row.into_iter().map(TableCell::text).collect());
        }
        self.out += &table.text(self.width);
        self.blank();
    }
}

/// The longest rule.
const RULE: usize = 40;

/// Returns whether a character takes two columns.
fn is_wide(c: char) -> bool {
    display_width(c.encode_utf8(&mut [0; 4])) == 2
}

/// Joins lines by a space; by nothing between two wide characters, as Japanese is written.
fn joined(text: &str) -> String {
    let mut lines = text.trim().lines();
    let mut out = lines.next().unwrap_or_default().to_owned();
    for line in lines {
        let wide =
            out.chars().last().is_some_and(is_wide) && line.chars().next().is_some_and(is_wide);
        if !wide {
            out.push(' ');
        }
        out.push_str(line);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_wrapped_and_code_is_not() {
        let text = "# A title\n\nSome *words* of `a paragraph`\nthat are long.\n\n\
                    - one item, which is rather long\n- two\n  1. inside\n\n\
                    ```sh\na line of code that is longer than the width\n```\n\n\
                    | a | b |\n| --- | --- |\n| 1 | [two](there) |\n\nThe end.\n";
        let expected = "A title\n=======\n\nSome words of `a\nparagraph` that are\nlong.\n\n\
                        - one item, which is\n  rather long\n- two\n  1. inside\n\n\
                        a line of code that is longer than the width\n\n\
                        a  b\n--------------\n1  two (there)\n\nThe end.\n";
        assert_eq!(terminal(text, 20), expected);
    }

    #[test]
    fn japanese_is_broken_between_characters_and_not_before_a_full_stop() {
        let text = "残差接続は、読んだものに\n足し算をします。それだけです。\n";
        // Each character has two columns. The comma and the full stop may not begin a line.
        assert_eq!(
            terminal(text, 20),
            "残差接続は、読んだも\nのに足し算をします。\nそれだけです。\n"
        );
        // A bold beginning with a space after it is a heading; `/` in code is no place to break.
        let text = "**損失** 実際に来た文字。\n\n**Loss** is\n`crates/book/text` and more.\n";
        assert_eq!(
            terminal(text, 24),
            "損失： 実際に来た文字。\n\nLoss: is\n`crates/book/text` and\nmore.\n"
        );
        let text = "損失は\n`2.26` です。\n";
        assert_eq!(terminal(text, 40), "損失は `2.26` です。\n");
    }
}
