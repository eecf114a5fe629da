//! A program as text: its buffers and its steps, one per line.

use std::fmt;

use gptlab_model::{Choice, Graph, ParamId, ValueId};

use super::{Buffer, BufferId, Content, Program, Work, Write};

/// The text that [`Program::listing`] returns.
///
/// A buffer is named after its first content: `block0.mlp.up`, `block0.ln1.statistics`,
/// `d block0.mlp.out` for a gradient.
#[derive(Clone, Copy, Debug)]
pub struct Listing<'a> {
    pub(super) graph: &'a Graph,
    pub(super) program: &'a Program,
}

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.buffers(f)?;
        writeln!(f)?;
        self.steps(f)
    }
}

impl Listing<'_> {
    fn buffers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (buffers, purpose) = (self.program.buffers(), self.program.purpose());
        let (count, purpose) = (buffers.len(), purpose.name());
        writeln!(f, "# {purpose}: {count} buffers, the steps that need them")?;
        let names: Vec<String> = buffers.iter().map(|buffer| self.first(buffer)).collect();
        let longest = names.iter().map(String::len).max().unwrap_or(0);
        for (name, buffer) in names.iter().zip(buffers) {
            let last = match self.program.steps().len() {
                end if buffer.last == end => "end".to_owned(),
                _ => buffer.last.to_string(),
            };
            let (first, width) = (buffer.first, buffer.width);
            writeln!(f, "{name:longest$}  T x {width:<6} {first:>3} - {last}")?;
        }
        Ok(())
    }

    fn steps(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = self.program.steps();
        writeln!(f, "# {} steps", steps.len())?;
        for (number, step) in steps.iter().enumerate() {
            let reads: Vec<String> = step.reads.iter().map(|b| self.buffer(*b)).collect();
            let written = step.writes.iter();
            let written = written.map(|(buffer, write)| how(*write, &self.buffer(*buffer)));
            let params = step.param_gradients.iter();
            let params = params.map(|(param, write)| how(*write, &self.param(*param)));
            let mut writes: Vec<String> = written.chain(params).collect();
            writes.extend(outside(step.work));
            let mut line = WrappedLine::new(format!("{number:>3} {}:", self.work(step.work)));
            line.list("", &reads);
            line.list("-> ", &writes);
            writeln!(f, "{}", line.text)?;
        }
        Ok(())
    }

    fn work(&self, work: Work) -> String {
        match work {
            Work::Forward(node) => self.node(node).to_owned(),
            Work::Logits => "logits".to_owned(),
            Work::Loss => "loss".to_owned(),
            Work::Backward(node) => format!("backward {}", self.node(node)),
        }
    }

    fn node(&self, node: ValueId) -> &str {
        &self.graph.node(node).name
    }

    fn param(&self, param: ParamId) -> String {
        format!("d {}", self.graph.params().get(param).name)
    }

    fn buffer(&self, buffer: BufferId) -> String {
        self.first(&self.program.buffers()[buffer.index()])
    }

    /// Returns the name of a buffer's first content.
    fn first(&self, buffer: &Buffer) -> String {
        let first = buffer.contents.first().map(|content| match content {
            Content::Value(node) => self.node(*node).to_owned(),
            Content::Statistics(node) => format!("{}.statistics", self.node(*node)),
            Content::Gradient(node) => format!("d {}", self.node(*node)),
        });
        first.unwrap_or_default()
    }
}

/// Returns what a step writes outside of the buffers.
fn outside(work: Work) -> Option<String> {
    let of = match work {
        Work::Loss => "a loss a token",
        Work::Logits => "logits of requested rows",
        Work::Forward(_) | Work::Backward(_) => return None,
    };
    Some(of.to_owned())
}

/// A line that continues, indented, on the next one before it becomes too long for a terminal.
struct WrappedLine {
    text: String,
    columns: usize,
}

impl WrappedLine {
    const MOST: usize = 80;
    const INDENT: &str = "\n      ";

    fn new(text: String) -> Self {
        Self {
            columns: text.len(),
            text,
        }
    }

    /// Appends `items`, the first after `sign`, with commas between them.
    fn list(&mut self, sign: &str, items: &[String]) {
        for (i, item) in items.iter().enumerate() {
            let comma = if i + 1 < items.len() { "," } else { "" };
            let sign = if i == 0 { sign } else { "" };
            self.word(&format!("{sign}{item}{comma}"));
        }
    }

    fn word(&mut self, word: &str) {
        if self.columns + 1 + word.len() > Self::MOST {
            self.text += Self::INDENT;
            self.columns = Self::INDENT.len() - 1;
        } else {
            self.text.push(' ');
            self.columns += 1;
        }
        self.text += word;
        self.columns += word.len();
    }
}

fn how(write: Write, name: &str) -> String {
    match write {
        Write::First => name.to_owned(),
        Write::Add => format!("+ {name}"),
        Write::InPlace => format!("{name} in place"),
    }
}
