//! Parses a page of text into a [`Grammar`]. An invalid page is an error with the line.

use std::fmt;

use super::{Grammar, Piece, SlotInRule};

/// The error in a page, and its line, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GrammarError {
    line: usize,
    what: String,
}

impl fmt::Display for GrammarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// The part of the page that has been parsed.
#[derive(Default)]
struct Page {
    slots: Vec<SlotInRule>,
    rules: Vec<(String, Vec<Vec<Piece>>)>,
    in_slot: bool,
}

impl Grammar {
    /// Parses the grammar that `page` describes.
    pub(crate) fn parse(page: &str) -> Result<Self, GrammarError> {
        let mut read = Page::default();
        for (i, line) in page.lines().enumerate() {
            let at = |what| GrammarError { line: i + 1, what };
            read.line(line).map_err(at)?;
        }
        let last = page.lines().count();
        let empty = |name: &str| GrammarError {
            line: last,
            what: format!("`{name}` holds nothing"),
        };
        if let Some(slot) = read.slots.iter().find(|s| s.values.is_empty()) {
            return Err(empty(&slot.name));
        }
        if let Some((name, _)) = read.rules.iter().find(|(_, ways)| ways.is_empty()) {
            return Err(empty(name));
        }
        let (_, whole) = read.rules.pop().ok_or_else(|| empty("the page"))?;
        Ok(Self {
            slots: read.slots,
            whole: vec![Piece::Choice(whole)],
        })
    }
}

impl Page {
    fn line(&mut self, line: &str) -> Result<(), String> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if let Some(head) = line.strip_prefix("slot ") {
            return self.begin_slot(head);
        }
        if let Some(name) = line.strip_prefix("rule ") {
            self.in_slot = false;
            self.rules.push((name.to_owned(), Vec::new()));
            return Ok(());
        }
        if self.in_slot {
            self.value(line)
        } else {
            self.alternative(line)
        }
    }

    fn begin_slot(&mut self, head: &str) -> Result<(), String> {
        let (name, forms) = head
            .split_once(": ")
            .ok_or("expected `slot name: form form …`")?;
        self.in_slot = true;
        self.slots.push(SlotInRule {
            name: name.to_owned(),
            forms: forms.split_whitespace().map(str::to_owned).collect(),
            values: Vec::new(),
        });
        Ok(())
    }

    fn value(&mut self, line: &str) -> Result<(), String> {
        let slot = self.slots.last_mut().ok_or("a value without a slot")?;
        let row: Vec<String> = line.split('|').map(|v| v.trim().to_owned()).collect();
        if row.len() != slot.forms.len() {
            let (found, expected) = (row.len(), slot.forms.len());
            return Err(format!("expected {expected} forms, found {found}"));
        }
        slot.values.push(row);
        Ok(())
    }

    fn alternative(&mut self, line: &str) -> Result<(), String> {
        let (_, above) = self.rules.split_last().ok_or("text outside a rule")?;
        let pieces = pieces(line, &self.slots, above)?;
        if let Some((_, ways)) = self.rules.last_mut() {
            ways.push(pieces);
        }
        Ok(())
    }
}

/// Replaces `
/// ` in a page by a line break.
fn literal(text: &str) -> Piece {
    Piece::Literal(text.replace("\\n", "\n"))
}

type Rules = [(String, Vec<Vec<Piece>>)];

fn pieces(line: &str, slots: &[SlotInRule], rules: &Rules) -> Result<Vec<Piece>, String> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some(at) = rest.find(['<', '{']) {
        let (before, from) = rest.split_at(at);
        if !before.is_empty() {
            found.push(literal(before));
        }
        let close = if from.starts_with('<') { '>' } else { '}' };
        let end = from
            .find(close)
            .ok_or_else(|| format!("`{from}` is not closed"))?;
        let name = &from[1..end];
        found.push(match close {
            '>' => rule(name, rules)?,
            _ => mention(name, slots)?,
        });
        rest = &from[end + 1..];
    }
    if !rest.is_empty() {
        found.push(literal(rest));
    }
    Ok(found)
}

fn rule(name: &str, rules: &Rules) -> Result<Piece, String> {
    rules
        .iter()
        .find(|(other, _)| other == name)
        .map(|(_, ways)| Piece::Choice(ways.clone()))
        .ok_or_else(|| format!("no rule `{name}` above"))
}

fn mention(text: &str, slots: &[SlotInRule]) -> Result<Piece, String> {
    let (name, form) = text.split_once('.').unwrap_or((text, ""));
    let capital = name.starts_with(char::is_uppercase);
    let slot = slots
        .iter()
        .position(|s| s.name == name.to_lowercase())
        .ok_or_else(|| format!("no slot `{name}` above"))?;
    let forms = &slots[slot].forms;
    let form = match form {
        "" => 0,
        form => forms
            .iter()
            .position(|f| f == form)
            .ok_or_else(|| format!("slot `{name}` has no form `{form}`"))?,
    };
    Ok(Piece::Mention {
        slot,
        form,
        capital,
    })
}
