//! Many texts at once: each weight is read once for several of them, on every thread.

use std::{
    slice::IterMut,
    sync::{Mutex, PoisonError},
};

use gptlab_model::Graph;

use super::{
    Generator, PromptError,
    decoder::{Decoder, Sequence, is_large},
    rows::DecodeWorkspace,
};

/// Texts that one thread writes together: one tile of rows. More would share each reading of the
/// weights further, but push each other's keys and values out of the third-level cache.
const TOGETHER: usize = 6;
/// The same where the weights do not fit that cache either.
const TOGETHER_LARGE: usize = 12;

/// One of many texts that are written at once.
pub trait Writer {
    /// What the text begins with.
    fn prompt(&self) -> &[u32];

    /// The token that follows, by the logits `[vocab_size]` after all so far; `None` ends the text.
    /// The token is one of the vocabulary.
    fn next(&mut self, logits: &[f32]) -> Option<u32>;
}

impl Generator {
    /// Writes all texts to their ends, the first ones first. Every one comes out as if it were
    /// written alone.
    ///
    /// # Errors
    /// When a prompt is empty or holds a token the vocabulary does not; then nothing is written.
    pub fn write_all<W: Writer + Send>(&self, writers: &mut [W]) -> Result<(), PromptError> {
        for writer in writers.iter() {
            self.threaded.decoder.check(writer.prompt())?;
        }
        let count = writers.len();
        if let [writer] = writers {
            self.write_on(writer);
            return Ok(());
        }
        let (decoder, threads) = (&self.threaded.decoder, self.threaded.threads);
        let queue = Mutex::new(writers.iter_mut());
        let (tasks, together) = texts_at_once(&decoder.prepared.graph, threads, count);
        let tasks = 0..tasks;
        self.threaded
            .pool
            .for_each(tasks, false, |_, _| decoder.serve(&queue, together));
        Ok(())
    }

    /// Writes one text to its end, as a writer is called on this thread alone.
    ///
    /// # Errors
    /// As [`Generator::write_all`].
    pub fn write_one<W: Writer>(&self, writer: &mut W) -> Result<(), PromptError> {
        self.threaded.decoder.check(writer.prompt())?;
        self.write_on(writer);
        Ok(())
    }

    fn write_on<W: Writer>(&self, writer: &mut W) {
        let (mut sequence, mut work) = (self.threaded.sequence(), DecodeWorkspace::default());
        sequence.begin(writer.prompt());
        loop {
            self.threaded.next(&mut work, &mut sequence);
            match writer.next(sequence.logits()) {
                Some(token) => sequence.push(token),
                None => return,
            }
        }
    }
}

/// Nothing is left half done where another thread panicked.
fn take<'a, W>(queue: &Mutex<IterMut<'a, W>>) -> Option<&'a mut W> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).next()
}

/// How many of `threads` threads write `count` texts, and how many texts each of them writes at a
/// time.
pub(in crate::cpu) fn texts_at_once(graph: &Graph, threads: usize, count: usize) -> (usize, usize) {
    if count <= 1 {
        return (1, 1);
    }
    let most = if is_large(graph) {
        TOGETHER_LARGE
    } else {
        TOGETHER
    };
    let threads = threads.max(1);
    (threads.min(count), count.div_ceil(threads).min(most))
}

impl Decoder {
    /// Writes texts from `queue`, at most `together` at a time, until it is empty.
    fn serve<W: Writer + Send>(&self, queue: &Mutex<IterMut<'_, W>>, together: usize) {
        let mut work = DecodeWorkspace::default();
        let mut busy: Vec<(Sequence, &mut W)> = Vec::new();
        let mut idle: Vec<Sequence> = Vec::new();
        loop {
            while busy.len() < together
                && let Some(writer) = take(queue)
            {
                let mut sequence = idle.pop().unwrap_or_else(|| self.sequence(1));
                sequence.begin(writer.prompt());
                busy.push((sequence, writer));
            }
            if busy.is_empty() {
                return;
            }
            let mut sequences: Vec<&mut Sequence> = busy.iter_mut().map(|(s, _)| s).collect();
            self.next(&mut work, &mut sequences);
            for i in (0..busy.len()).rev() {
                let (sequence, writer) = &mut busy[i];
                match writer.next(sequence.logits()) {
                    Some(token) => sequence.push(token),
                    None => idle.push(busy.swap_remove(i).0),
                }
            }
        }
    }
}
