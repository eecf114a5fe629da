//! Code that commands that write texts share.

use gptlab_data::Tokenizer;
use gptlab_recipe::SampleSettings;
use gptlab_train::SampleError;

use crate::{
    exit::{CommandResult, Stop},
    printer::Printer,
};

/// The message when a sampler gets no thread.
pub(crate) const REFUSED_A_THREAD: &str = "the system gives no thread to write on; texts are written one after the other, and are the same";

/// Refuses a stop text that no text of this tokenizer can hold, and explains a typed `\\n`.
pub(crate) fn check_stop(
    settings: &SampleSettings,
    tokenizer: &Tokenizer,
    printer: Printer,
) -> CommandResult<()> {
    const BREAK: &str = r"`\n` is a backslash and an n; most shells write a line break as $'\n'";
    let Some(stop) = &settings.stop else {
        return Ok(());
    };
    let literal = stop.contains(r"\n");
    match tokenizer.encode(stop) {
        Ok(_) => {
            if literal {
                printer.hint(format_args!("--stop: {BREAK}"));
            }
            Ok(())
        }
        Err(unknown) => {
            let refused = Stop::usage(format_args!("--stop {stop:?} can never come: {unknown}"));
            Err(if literal {
                refused.hint(BREAK)
            } else {
                refused
            })
        }
    }
}

impl From<SampleError> for Stop {
    fn from(error: SampleError) -> Self {
        match error {
            SampleError::Sampling(_) => Self::usage(error),
            SampleError::Characters(_) => Self::data(error),
            SampleError::Import(_) | SampleError::Prompt(_) | SampleError::Unended => {
                Self::failure(error)
            }
            SampleError::Device(_) => {
                Self::failure(error).hint("`--device cpu` writes the text on the processor")
            }
            SampleError::Diverged => {
                Self::failure(error).hint("train it again with a smaller --lr")
            }
        }
    }
}
