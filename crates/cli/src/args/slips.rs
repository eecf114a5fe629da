//! Answers to command lines that clap refuses, where what was meant is known: a text without
//! `--data`, a part that another flag takes out, or a flag of another program.

use std::{ffi::OsString, path::Path};

use clap::{
    Arg, Command, Error,
    error::{ContextKind, ContextValue, ErrorKind},
};
use gptlab_data::Builtin;
use gptlab_lab::{grid::Size, switches::Switch};
use gptlab_model::{Choice, Preset};
use gptlab_recipe::{Overrides, SettingKey, SettingValue, Settings, ValueKind};
use gptlab_report::words::shell_word;

use crate::exit::Stop;

/// Flags of other programs that stand for no single flag here.
struct Foreign {
    names: &'static [&'static str],
    /// A flag that a command must have for the answer to be of use.
    needs: &'static str,
    why: &'static str,
    hint: &'static str,
}

const FOREIGN: &[Foreign] = &[
    Foreign {
        names: &["epochs", "epoch", "num-epochs", "max-epochs", "passes"],
        needs: "steps",
        why: "training is counted in steps, and not in passes over the text",
        hint: "steps = passes x tokens of the text / (--batch-size x --block-size); `--steps N` sets them",
    },
    Foreign {
        names: &["for", "time", "minutes"],
        needs: "seeds",
        why: "a grid is as long as its steps, so that all runs are comparable",
        hint: "`--steps N` sets them; how long the runs will take is said before they begin",
    },
    Foreign {
        names: &["gpu", "gpus", "cuda", "mps", "no-cuda"],
        needs: "device",
        why: "the device is chosen with --device",
        hint: "`--device gpu` takes the first GPU, `--device cpu` the processor, and `--device auto` the faster of both",
    },
    Foreign {
        names: &["hidden", "hidden-size", "hidden-dim", "n-hidden"],
        needs: "n-embd",
        why: "a model has two widths",
        hint: "`--n-embd N` is the width of the residual stream, and `--mlp-hidden N` the MLP's inner width",
    },
    Foreign {
        names: &["text", "file", "input", "input-file", "dataset", "corpus"],
        needs: "data",
        why: "a text is given with --data",
        hint: "`--data FILE` takes a UTF-8 file, or the name of a built-in text",
    },
    Foreign {
        names: &["dtype", "bf16", "fp16", "amp"],
        needs: "precision",
        why: "the type of numbers is a precision",
        hint: "`--precision bf16` rounds the operands of matrix products, and `--precision f32` does not",
    },
    Foreign {
        names: &["model", "config-name"],
        needs: "preset",
        why: "a model has a name or a file",
        hint: "`--preset NAME` takes one of `gptlab presets`, and `--load FILE` a checkpoint",
    },
    Foreign {
        names: &[
            "rope",
            "rotary",
            "alibi",
            "pos-emb",
            "pos-embedding",
            "pos-encoding",
            "position-embedding",
            "position-encoding",
            "positional-embedding",
            "positional-encoding",
        ],
        needs: "position",
        why: "positions are one choice",
        hint: "`--position learned`, `sinusoidal`, `rotary`, `alibi` or `none`",
    },
    Foreign {
        names: &["residual", "residuals", "use-residual"],
        needs: "disable-residual",
        why: "residual connections are there unless they are taken out",
        hint: "`--disable-residual` takes them out",
    },
];

/// The settings of a count or a number that 0 turns off.
const ZERO_IS_OFF: &[&str] = &[
    "dropout",
    "grad_clip",
    "softcap",
    "top_k",
    "val_fraction",
    "warmup",
    "weight_decay",
    "window",
];

/// Returns the answer to an error of clap's about `words`, if there is one.
pub(super) fn answer(error: &Error, words: &[OsString], definition: &Command) -> Option<Stop> {
    if let Some(ContextValue::String(typed)) = error.get(ContextKind::InvalidSubcommand) {
        return file_for_a_command(typed);
    }
    let (ErrorKind::UnknownArgument, Some(ContextValue::String(typed))) =
        (error.kind(), error.get(ContextKind::InvalidArg))
    else {
        return None;
    };
    let name = words.get(1)?.to_str()?;
    let command = definition.find_subcommand(name)?;
    let slip = Slip {
        words,
        command,
        typed,
    };
    match typed.strip_prefix("--") {
        Some(flag) => slip.flag(&flag.replace('_', "-").to_lowercase()),
        None if typed.starts_with('-') => None,
        None => slip.word(),
    }
}

/// Answers a file in the place of a command.
fn file_for_a_command(typed: &str) -> Option<Stop> {
    let path = Path::new(typed);
    if !path.is_file() {
        return None;
    }
    let instead = if path.extension().is_some_and(|e| e == "safetensors") {
        "generate"
    } else {
        "train --data"
    };
    let stop = Stop::usage(format_args!(
        "a command comes first, found the file {typed}"
    ));
    Some(stop.hint(format!("`gptlab {instead} {}`", shell_word(typed))))
}

/// A word of a command line that has no place in it.
struct Slip<'a> {
    words: &'a [OsString],
    command: &'a Command,
    typed: &'a str,
}

impl Slip<'_> {
    /// Returns whether the command has the flag `long`.
    fn has(&self, long: &str) -> bool {
        let mut flags = self.command.get_arguments().filter_map(Arg::get_long);
        flags.any(|flag| flag == long)
    }

    fn takes_words(&self) -> bool {
        self.command.get_positionals().next().is_some()
    }

    /// Answers a flag that the command does not have.
    fn flag(&self, flag: &str) -> Option<Stop> {
        let name = self.command.get_name();
        let foreign = |f: &&Foreign| f.names.contains(&flag) && self.has(f.needs);
        if let Some(foreign) = FOREIGN.iter().find(foreign) {
            let why = format!("{name} has no flag --{flag}: {}", foreign.why);
            return Some(Stop::usage(why).hint(foreign.hint));
        }
        let instead = self.without(flag)?;
        let why = format!("{name} has no flag --{flag}; `{instead}` does this");
        Some(Stop::usage(why).hint(self.corrected(&instead)))
    }

    /// Returns the flags that do what is meant by `flag`: `--no-attention`, `--post-ln`.
    fn without(&self, flag: &str) -> Option<String> {
        let mut negated = ["no-", "without-", "disable-"].iter();
        let part = negated.find_map(|no| flag.strip_prefix(no));
        let is_called = |name: &str| Switch::find(name).ok().filter(|s| s.slug() == name);
        let switch = match part {
            Some(part) => is_called(&format!("no-{part}")),
            None => is_called(flag),
        };
        if let Some(switch) = switch {
            return self.switched(&switch);
        }
        let part = part?;
        match SettingKey::find(part) {
            Ok(key) => self.has(&key.name()).then(|| off(key)).flatten(),
            Err(_) => self.switched(&Switch::find(part).ok()?),
        }
    }

    /// Returns the flags by which the command applies `switch`.
    fn switched(&self, switch: &Switch) -> Option<String> {
        if self.has("switches") {
            return Some(format!("--switches {}", switch.slug()));
        }
        let flags = flags_of(switch);
        let known = flags.iter().all(|(key, _)| self.has(&key.name()));
        let typed = flags.iter().map(|(key, value)| typed_flag(key, value));
        (known && !flags.is_empty()).then(|| typed.collect::<Vec<_>>().join(" "))
    }

    /// Answers a word that stands where no word can.
    fn word(&self) -> Option<Stop> {
        let name = self.command.get_name();
        let (what, flag, value) = self.meant()?;
        let instead = format!("--{flag} {}", shell_word(&value));
        let why = format!(
            "{name} takes {what} with --{flag}, found `{}` without it",
            self.typed
        );
        Some(Stop::usage(why).hint(self.corrected(&instead)))
    }

    /// Returns what the word probably is, the flag for it, and the flag's value.
    fn meant(&self) -> Option<(&'static str, &'static str, String)> {
        let word = self.typed;
        let same = || word.to_owned();
        if self.has("switches") && !word.is_empty() {
            let names = self.switches();
            if !names.is_empty() {
                return Some(("the parts to break", "switches", names.join(",")));
            }
        }
        if self.has("sizes") && Size::named(word).is_ok() {
            return Some(("its sizes", "sizes", same()));
        }
        if self.has("preset") && Preset::parse(word).is_ok() {
            return Some(("a preset", "preset", same()));
        }
        let path = Path::new(word);
        let is_checkpoint = path.extension().is_some_and(|e| e == "safetensors");
        if self.has("resume") && (is_checkpoint || path.is_dir()) {
            return Some(("a run to continue", "resume", same()));
        }
        let is_text = path.is_file() || Builtin::parse(word).ok().flatten().is_some();
        let prompted = self.has("prompt") && self.takes_words();
        if prompted && !(is_text && self.has("data")) {
            return Some(("its prompt", "prompt", same()));
        }
        let is_number = word.parse::<f64>().is_ok();
        (self.has("data") && !is_number).then(|| ("its text", "data", same()))
    }

    /// Returns the names of the switches that begin with the word and follow each other.
    fn switches(&self) -> Vec<String> {
        let words = self.words.iter().filter_map(|word| word.to_str());
        let named = |word: &str| Switch::named(word).ok().filter(|all| !all.is_empty());
        let lists = ["main", "all", "seed"];
        words
            .skip_while(|word| *word != self.typed)
            .map_while(|word| match word {
                list if lists.contains(&list) => Some(vec![list.to_owned()]),
                word => named(word).map(|all| all.iter().map(Switch::slug).collect()),
            })
            .flatten()
            .collect()
    }

    /// Returns the command line with `instead` where the word stands.
    fn corrected(&self, instead: &str) -> String {
        let is_typed = |word: &str| {
            let rest = word.strip_prefix(self.typed);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        };
        let taken = if instead.starts_with("--switches") && !self.typed.starts_with("--") {
            self.switches().len().max(1)
        } else {
            1
        };
        let words: Vec<String> = self
            .words
            .iter()
            .skip(1)
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        let at = words.iter().position(|word| is_typed(word));
        let mut line = vec!["gptlab".to_owned()];
        for (i, word) in words.iter().enumerate() {
            match at {
                Some(at) if i == at => line.push(instead.to_owned()),
                Some(at) if i > at && i < at + taken => {}
                Some(_) | None => line.push(shell_word(word)),
            }
        }
        format!("`{}`", line.join(" "))
    }
}

/// Returns the settings of a switch that do not depend on the model and the recipe it changes, or
/// nothing if they change none alone.
fn flags_of(switch: &Switch) -> Vec<(&'static SettingKey, SettingValue)> {
    let bases = [Preset::Modern, Preset::Microgpt].map(|preset| Settings::of(preset, None));
    let [one, other] = bases.each_ref().map(|base| switch.overrides(base));
    let same =
        |(key, value): &(&'static SettingKey, SettingValue)| other.get(key).as_ref() == Some(value);
    let flags: Vec<_> = one.values().filter(same).collect();
    let changes = |base: &Settings| {
        let (mut overrides, mut changed) = (Overrides::default(), base.clone());
        let set = |(key, value): &(&'static SettingKey, SettingValue)| {
            overrides.set(key.field, &value.to_string()).is_ok()
        };
        flags.iter().all(set) && overrides.apply(&mut changed).is_ok() && changed != *base
    };
    if bases.iter().any(changes) {
        flags
    } else {
        Vec::new()
    }
}

/// Returns the flag that turns a setting off.
fn off(key: &'static SettingKey) -> Option<String> {
    let value = match key.kind() {
        ValueKind::Switch => "0",
        ValueKind::Choice(words) => {
            let none = words.iter().find(|words| words.name == "none");
            none.map(|words| words.name)?
        }
        ValueKind::Count | ValueKind::Number => ZERO_IS_OFF.contains(&key.field).then_some("0")?,
        ValueKind::Text => return None,
    };
    Some(format!("--{} {value}", key.name()))
}

fn typed_flag(key: &SettingKey, value: &SettingValue) -> String {
    match value {
        SettingValue::Switch(true) => format!("--{}", key.name()),
        SettingValue::Switch(false)
        | SettingValue::Count(_)
        | SettingValue::Number(_)
        | SettingValue::Text(_) => {
            format!("--{} {}", key.name(), shell_word(&value.to_string()))
        }
    }
}
