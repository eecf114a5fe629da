//! Generating texts with a model: one text piece by piece, or many at once. Each ends at its stop
//! text, at the end of its document or at the maximum number of tokens.

mod request;
mod stop_filter;

use std::{
    error, fmt, panic,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

use gptlab_data::{StreamDecoder, Tokenizer, UnknownCharacters};
use gptlab_engine::{
    Device, GenerationError, Generator, ImportError, PromptError, generate_each,
    sample::{Ranking, Sampling, SamplingError},
};
use gptlab_model::{Graph, random::Stream};
use gptlab_recipe::SampleSettings;
use gptlab_record::{Continuation, ContinuationEnd};

use self::{
    request::{DirectSink, EventSink, SampleRequest, in_order},
    stop_filter::StopFilter,
};

/// The number of documents in a sample of a model in training that writes documents.
const DOCUMENTS: u32 = 5;
/// The number of texts that are generated at once per thread: small enough to limit the text that
/// waits for its turn, and large enough that threads seldom wait for each other.
const TEXTS_PER_THREAD: usize = 64;
/// The approximate number of tokens that may wait for their turn.
const WAITING: usize = 1 << 26;

/// Returns the number of texts in a sample of a model in training: one, or several if the tokenizer
/// separates documents.
pub fn sample_documents(tokenizer: &Tokenizer) -> u32 {
    tokenizer.bos().map_or(1, |_| DOCUMENTS)
}

/// Returns the number of texts of up to `max_tokens` tokens to generate at once on `threads`
/// threads.
pub fn texts_at_once(threads: usize, max_tokens: usize) -> usize {
    let waiting = WAITING / max_tokens.max(1);
    threads.saturating_mul(TEXTS_PER_THREAD).min(waiting).max(1)
}

/// An event that a sampler reports. The events of one text come before those of the next.
#[derive(Clone, Debug, PartialEq)]
pub enum SampleEvent<'a> {
    /// A text begins.
    Begin,
    /// The next piece of the text after its prompt.
    Piece(&'a str),
    /// The text has ended. The value holds all of it.
    End(Continuation),
}

/// The reason why a text cannot be generated, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SampleError {
    /// The sampling settings are out of range.
    Sampling(SamplingError),
    /// The weights do not fit the graph, or the system has too little memory.
    Import(ImportError),
    /// The prompt holds characters that the tokenizer does not know.
    Characters(UnknownCharacters),
    /// The model cannot continue the prompt.
    Prompt(PromptError),
    /// The device has stopped computing, for the reason that the sentence gives.
    Device(String),
    /// The logits are not numbers.
    Diverged,
    /// The generator ended a text without reporting it, which is a bug in the program.
    Unended,
}

impl fmt::Display for SampleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sampling(e) => e.fmt(f),
            Self::Import(e) => e.fmt(f),
            Self::Characters(e) => e.fmt(f),
            Self::Prompt(e) => e.fmt(f),
            Self::Device(reason) => f.write_str(reason),
            Self::Diverged => f.write_str("the model has diverged: its logits are not numbers"),
            Self::Unended => f.write_str("the text never ended"),
        }
    }
}

impl error::Error for SampleError {}

impl From<GenerationError> for SampleError {
    fn from(error: GenerationError) -> Self {
        match error {
            GenerationError::Prompt(e) => Self::Prompt(e),
            GenerationError::Device(reason) => Self::Device(reason),
        }
    }
}

/// The model that generates texts.
#[derive(Clone, Copy, Debug)]
pub struct SampleModel<'a> {
    pub graph: &'a Graph,
    /// The weights, in the order of the parameter table.
    pub weights: &'a [f32],
    pub tokenizer: &'a Tokenizer,
}

/// Generates texts with a model.
///
/// A text depends only on the seed and its number, not on other texts or on the number of threads.
/// Text that may turn out to be the start of the stop text is held back.
///
/// ```
/// use std::sync::atomic::AtomicBool;
///
/// use gptlab_data::Tokenizer;
/// use gptlab_recipe::TokenizerKind;
/// use gptlab_engine::Device;
/// use gptlab_model::{Preset, lower};
/// use gptlab_recipe::SampleSettings;
/// use gptlab_train::{SampleModel, Sampler};
///
/// let tokenizer = Tokenizer::fit(TokenizerKind::Lines, "emma\nolivia\n").ok_or("no characters")?;
/// let graph = lower(&Preset::Microgpt.spec().check(tokenizer.vocab_size())?);
/// let model = SampleModel {
///     graph: &graph,
///     weights: &graph.params().initial(1),
///     tokenizer: &tokenizer,
/// };
/// let device = Device::cpu(1);
/// let settings = SampleSettings { max_tokens: 12, ..SampleSettings::default() };
/// let sampler = Sampler::new(&device, model, &settings, 7)?;
///
/// let (never, mut shown) = (AtomicBool::new(false), String::new());
/// let written = sampler.sample("em", 0, &never, |piece| shown += piece)?;
/// assert_eq!(written.text, shown);
/// assert!(written.tokens <= 12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Sampler {
    generator: Box<dyn Generator>,
    tokenizer: Tokenizer,
    sampling: Sampling,
    max_tokens: usize,
    stop: Option<String>,
    seed: u64,
    /// Whether the system refused to start the generating thread.
    refused: AtomicBool,
}

/// The function that receives the events. Its result after the end of a text tells whether to
/// continue.
type OnEvent<'a> = dyn FnMut(SampleEvent<'_>) -> bool + 'a;

impl Sampler {
    /// Makes a sampler that runs on `device` with `settings`, whose prompt is ignored.
    ///
    /// # Errors
    /// Returns an error if the settings are out of range, or the weights do not fit the graph.
    pub fn new(
        device: &Device,
        model: SampleModel<'_>,
        settings: &SampleSettings,
        seed: u64,
    ) -> Result<Self, SampleError> {
        let sampling = Sampling::new(settings.temperature, settings.top_k, settings.top_p);
        let sampling = sampling.map_err(SampleError::Sampling)?;
        let generator = device.generator(model.graph.clone(), model.weights);
        Ok(Self {
            sampling,
            generator: generator.map_err(SampleError::Import)?,
            tokenizer: model.tokenizer.clone(),
            max_tokens: settings.max_tokens,
            stop: settings.stop.clone(),
            seed,
            refused: AtomicBool::new(false),
        })
    }

    /// Uses `settings`, whose prompt is ignored, and `seed` for the texts that follow.
    ///
    /// # Errors
    /// Returns an error, and changes nothing, if the settings are out of range.
    pub fn set(&mut self, settings: &SampleSettings, seed: u64) -> Result<(), SampleError> {
        let sampling = Sampling::new(settings.temperature, settings.top_k, settings.top_p);
        self.sampling = sampling.map_err(SampleError::Sampling)?;
        self.max_tokens = settings.max_tokens;
        self.stop.clone_from(&settings.stop);
        self.seed = seed;
        Ok(())
    }

    /// Returns the number of generating threads.
    pub fn threads(&self) -> usize {
        self.generator.threads()
    }

    /// Returns whether texts were generated one after the other, because the system refused to
    /// start a second thread.
    pub fn was_refused_a_thread(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// Continues `prompt` and passes each piece of text to `show` as it is generated. The same
    /// `number` and prompt produce the same text. The text ends early once `cancel` is set.
    ///
    /// # Errors
    /// Returns an error if the prompt holds unknown characters, the model has diverged, or the
    /// device has stopped computing.
    pub fn sample(
        &self,
        prompt: &str,
        number: u32,
        cancel: &AtomicBool,
        mut show: impl FnMut(&str),
    ) -> Result<Continuation, SampleError> {
        let mut all = None;
        self.sample_all(prompt, &[number], cancel, |event| {
            match event {
                SampleEvent::Begin => {}
                SampleEvent::Piece(text) => show(text),
                SampleEvent::End(written) => all = Some(written),
            }
            true
        })?;
        all.ok_or(SampleError::Unended)
    }

    /// Generates a text for each of `numbers`, all at once, and reports them to `on_event` one
    /// after the other. Each text is the one that [`Sampler::sample`] generates for its number.
    /// Ends early if `on_event` returns false at the end of a text.
    ///
    /// # Errors
    /// Returns the errors of [`Sampler::sample`].
    pub fn sample_all(
        &self,
        prompt: &str,
        numbers: &[u32],
        cancel: &AtomicBool,
        mut on_event: impl FnMut(SampleEvent<'_>) -> bool,
    ) -> Result<(), SampleError> {
        let tokens = self.tokenizer.prompt(prompt);
        let common = Common {
            prompt,
            tokens: &tokens.map_err(SampleError::Characters)?,
            cancel,
        };
        match self.on_two_threads(&common, numbers, &mut on_event) {
            Some(outcome) => outcome,
            None => self.one_by_one(&common, numbers, &mut on_event),
        }
    }

    /// Generates the sample of a model in training after `step` updates: one text, or several
    /// documents on a line each. The same step produces the same sample. Returns `None` if `cancel`
    /// cut it short.
    ///
    /// # Errors
    /// Returns the errors of [`Sampler::sample`].
    pub fn sample_of_step(
        &self,
        prompt: &str,
        step: u64,
        cancel: &AtomicBool,
    ) -> Result<Option<String>, SampleError> {
        let texts = sample_documents(&self.tokenizer);
        // Each step has its own streams, so that a sample depends only on the step.
        let first = (step as u32).wrapping_mul(DOCUMENTS);
        let numbers: Vec<u32> = (0..texts).map(|i| first.wrapping_add(i)).collect();
        let (mut all, mut whole) = (Vec::new(), true);
        self.sample_all(prompt, &numbers, cancel, |event| {
            if let SampleEvent::End(written) = event {
                whole = written.end != ContinuationEnd::Interrupted;
                all.push(written.prompt + &written.text);
            }
            whole
        })?;
        Ok(whole.then(|| all.join("\n")))
    }

    /// Generates on a second thread while this thread reports. Returns `None`, with nothing
    /// reported, if the system refuses to start the thread.
    fn on_two_threads(
        &self,
        common: &Common<'_>,
        numbers: &[u32],
        on_event: &mut OnEvent<'_>,
    ) -> Option<Result<(), SampleError>> {
        if numbers.is_empty() {
            return Some(Ok(()));
        }
        let (sender, receiver) = mpsc::channel();
        let request = |(i, number): (usize, &u32)| {
            let stream = Stream::new(self.seed, "sample", *number);
            self.request(common, i, stream, sender.clone())
        };
        let mut requests: Vec<_> = numbers.iter().enumerate().map(request).collect();
        drop(sender);
        let (generator, count) = (&*self.generator, requests.len());
        thread::scope(|scope| {
            let generate = move || generate_each(generator, &mut requests);
            let Ok(generating) = thread::Builder::new().spawn_scoped(scope, generate) else {
                self.refused.store(true, Ordering::Relaxed);
                return None;
            };
            on_event(SampleEvent::Begin);
            let reported = in_order(receiver, count, on_event);
            let generated = generating.join();
            let generated = generated.unwrap_or_else(|e| panic::resume_unwind(e));
            Some(generated.map_err(SampleError::from).and(reported))
        })
    }

    /// Generates on this thread, one text after the other, and reports each piece before generating
    /// the next.
    fn one_by_one(
        &self,
        common: &Common<'_>,
        numbers: &[u32],
        on_event: &mut OnEvent<'_>,
    ) -> Result<(), SampleError> {
        for number in numbers {
            on_event(SampleEvent::Begin);
            let stream = Stream::new(self.seed, "sample", *number);
            let mut request = self.request(common, 0, stream, DirectSink::new(&mut *on_event));
            let generated = self.generator.generate_one(&mut request);
            generated?;
            if !request.sink.outcome()? {
                return Ok(());
            }
        }
        Ok(())
    }

    fn request<'a, S: EventSink>(
        &'a self,
        common: &Common<'a>,
        place: usize,
        draws: Stream,
        sink: S,
    ) -> SampleRequest<'a, S> {
        SampleRequest {
            place,
            bos: self.tokenizer.bos(),
            decoder: StreamDecoder::new(&self.tokenizer),
            prompt: common.prompt,
            tokens: common.tokens,
            sampling: self.sampling,
            ranking: Ranking::default(),
            draws,
            filter: StopFilter::new(self.stop.clone()),
            written: 0,
            max_tokens: self.max_tokens,
            cancel: common.cancel,
            sink,
        }
    }
}

/// The input that all texts share.
struct Common<'a> {
    prompt: &'a str,
    tokens: &'a [u32],
    cancel: &'a AtomicBool,
}

#[cfg(test)]
mod tests;
