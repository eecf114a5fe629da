use std::{collections::BTreeSet, fs};

use gptlab_model::{Choice, Preset};
use gptlab_recipe::{Overrides, Settings};

use super::*;
use crate::{
    args::{self, TrainArgs, command_line::definition},
    settings,
};

/// Parses `words` as flags of `train`.
fn typed(words: Vec<String>) -> Box<TrainArgs> {
    let program = ["gptlab".to_owned(), "train".to_owned()];
    let words = program.into_iter().chain(words).map(Into::into);
    let Ok(args::Command::Train(args)) = args::parse(words) else {
        panic!("flags of train");
    };
    args
}

/// Returns the settings of `train` with these words, without training.
fn meant(words: Vec<String>) -> Settings {
    let args = typed(words);
    let preset = args.settings.overrides.preset.unwrap_or(DEFAULT_PRESET);
    let meant = settings::fresh(&args, preset, args.settings.overrides.steps);
    meant.unwrap_or_else(|stop| panic!("{}", stop.message))
}

/// Nothing is trained, so that the large presets can be tested as well.
#[test]
fn the_flags_of_every_preset_mean_the_preset() {
    for &preset in Preset::ALL {
        let recipe = Overrides::of(&Settings::of(preset, None));
        let words = recipe
            .values()
            .map(|(key, value)| format!("--{}={value}", key.name()));
        let by_name = meant(vec!["--preset".into(), preset.name().into()]);
        assert_eq!(meant(words.collect()), by_name, "{}", preset.name());
    }
}

/// Every setting is a flag, and every other flag is in the list below.
#[test]
fn every_setting_is_a_flag_of_train_and_every_other_flag_is_known() {
    let definition = definition();
    let train = definition.find_subcommand("train").expect("train");
    let flags: BTreeSet<String> = train
        .get_arguments()
        .filter_map(|arg| arg.get_long().map(str::to_owned))
        .collect();
    // These flags set the text, the files and the machine.
    let others = [
        "data",
        "out",
        "save",
        "save-init",
        "print-settings",
        "load",
        "resume",
        "for",
        "size-for",
        "keep-checkpoints",
        "micro-batch",
        "generate",
        "interactive",
        "device",
        "threads",
        "isa",
        "json",
        "config",
    ];
    let settings = KEYS.iter().map(SettingKey::name);
    let known: BTreeSet<String> = settings.chain(others.map(str::to_owned)).collect();
    assert_eq!(known, flags);
}

/// A flag of any command with the name of a setting takes the setting's values.
#[test]
fn a_flag_that_is_called_like_a_setting_takes_its_values() {
    let definition = definition();
    for command in definition.get_subcommands() {
        for arg in command.get_arguments() {
            let Some(Ok(key)) = arg.get_long().map(SettingKey::find) else {
                continue;
            };
            let words = arg.get_possible_values();
            let names: Vec<&str> = words
                .iter()
                .map(clap::builder::PossibleValue::get_name)
                .collect();
            let expected: Vec<&str> = match key.kind() {
                ValueKind::Choice(words) => words.iter().map(|words| words.name).collect(),
                ValueKind::Switch | ValueKind::Count | ValueKind::Number | ValueKind::Text => {
                    Vec::new()
                }
            };
            assert_eq!(names, expected, "{} --{}", command.get_name(), key.name());
        }
    }
}

/// A name of another program sets what it stands for.
#[test]
fn every_alias_of_a_setting_is_a_flag() {
    let recipe = Overrides::of(&Settings::of(Preset::Nano, None));
    for (key, value) in recipe.values() {
        for alias in key.aliases {
            for name in [(*alias).to_owned(), alias.replace('-', "_")] {
                let args = typed(vec![format!("--{name}={value}")]);
                assert_eq!(
                    args.settings.overrides.get(key),
                    Some(value.clone()),
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn the_help_says_every_default_once() {
    let definition = definition();
    for name in ["train", "inspect", "ablate", "sweep"] {
        let command = definition.find_subcommand(name).expect("a command");
        for arg in command
            .get_arguments()
            .filter(|arg| arg.get_long().is_some())
        {
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            let count = help.matches("[default: ").count();
            let is_setting = SettingKey::find(arg.get_long().unwrap_or_default()).is_ok();
            if name == "train" || is_setting {
                assert_eq!(count, 1, "{name} --{}: {help}", arg.get_id());
            }
        }
    }
}

/// The witness parses the file as a program would that uses the library.
#[test]
fn a_settings_file_is_what_the_library_reads_of_it() {
    let text = "n_layer = 2\nlr = 3e-4\ntied = false\ngrad-clip = 0\nposition = \"rotary\"\nsteps = 5.0\nstop = \"1\"\n";
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s.toml");
    fs::write(&path, text).expect("a file");
    let read: Overrides = toml::from_str(text).expect("settings");
    let words = vec!["--config".to_owned(), path.display().to_string()];
    assert_eq!(typed(words).settings.overrides, read);
    assert_eq!(read.steps, Some(5));
}
