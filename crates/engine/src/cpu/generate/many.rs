//! Many texts at once: each weight is read once for several of them, on every thread.

use std::{
    slice::IterMut,
    sync::{Mutex, PoisonError},
};

use gptlab_model::Graph;

use super::{
    decoder::{Decoder, is_large},
    rows::DecodeWorkspace,
    sequence::Sequence,
    threaded_decoder::ThreadedDecoder,
};
use crate::{GenerationRequest, PromptError};

/// Texts that one thread writes together: one tile of rows. More would share each reading of the
/// weights further, but push each other's keys and values out of the third-level cache.
const TOGETHER: usize = 6;
/// The same where the weights do not fit that cache either.
const TOGETHER_LARGE: usize = 12;

impl ThreadedDecoder {
    /// Writes all texts to their ends, the first ones first. Every one comes out as if it were
    /// written alone.
    pub(super) fn write_all<R: GenerationRequest + Send>(
        &self,
        requests: &mut [R],
    ) -> Result<(), PromptError> {
        for request in requests.iter() {
            self.decoder.check(request.prompt())?;
        }
        let count = requests.len();
        if let [request] = requests {
            self.write_on(request);
            return Ok(());
        }
        let (decoder, threads) = (&self.decoder, self.threads);
        let queue = Mutex::new(requests.iter_mut());
        let (tasks, together) = texts_at_once(&decoder.prepared.graph, threads, count);
        let tasks = 0..tasks;
        self.pool
            .for_each(tasks, false, |_, _| decoder.serve(&queue, together));
        Ok(())
    }

    /// Writes one text to its end, which is called on this thread alone.
    ///
    /// # Errors
    /// As [`ThreadedDecoder::write_all`].
    pub(super) fn write_one<R: GenerationRequest>(
        &self,
        request: &mut R,
    ) -> Result<(), PromptError> {
        self.decoder.check(request.prompt())?;
        self.write_on(request);
        Ok(())
    }

    fn write_on<R: GenerationRequest>(&self, request: &mut R) {
        let (mut sequence, mut work) = (self.sequence(), DecodeWorkspace::default());
        sequence.begin(request.prompt());
        loop {
            self.next(&mut work, &mut sequence);
            match request.next(sequence.logits()) {
                Some(token) => sequence.push(token),
                None => return,
            }
        }
    }
}

/// Nothing is left half done where another thread panicked.
fn take<'a, R>(queue: &Mutex<IterMut<'a, R>>) -> Option<&'a mut R> {
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
    fn serve<R: GenerationRequest + Send>(&self, queue: &Mutex<IterMut<'_, R>>, together: usize) {
        let mut work = DecodeWorkspace::default();
        let mut busy: Vec<(Sequence, &mut R)> = Vec::new();
        let mut idle: Vec<Sequence> = Vec::new();
        loop {
            while busy.len() < together
                && let Some(request) = take(queue)
            {
                let mut sequence = idle.pop().unwrap_or_else(|| Sequence::new(self, 1));
                sequence.begin(request.prompt());
                busy.push((sequence, request));
            }
            if busy.is_empty() {
                return;
            }
            let mut sequences: Vec<&mut Sequence> = busy.iter_mut().map(|(s, _)| s).collect();
            self.next(&mut work, &mut sequences);
            for i in (0..busy.len()).rev() {
                let (sequence, request) = &mut busy[i];
                match request.next(sequence.logits()) {
                    Some(token) => sequence.push(token),
                    None => idle.push(busy.swap_remove(i).0),
                }
            }
        }
    }
}
