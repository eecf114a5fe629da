//! Users can type every list of choices: the names differ, and each is parsed as its value.

use std::{collections::BTreeSet, fmt::Debug};

use gptlab_model::{
    Activation, Bias, Choice, Mask, Norm, NormPlace, OutputHead, Position, Preset, QkNorm,
    Residual, ResidualInit, Scale, SublayerOrder, Words,
};

fn can_be_typed<C: Choice + Debug>() {
    let mut typed = BTreeSet::new();
    for &value in C::ALL {
        let Words {
            name,
            aliases,
            help,
        } = value.words();
        for word in [&[name], aliases].concat() {
            assert_eq!(C::parse(word), Ok(value), "{word}");
            assert!(typed.insert(word), "{}: {word} stands twice", C::SUBJECT);
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(word.chars().all(plain), "{word}");
        }
        assert!(!help.is_empty() && !help.ends_with('.'), "{name}: {help}");
        assert!(!help.contains('\n'), "{name}: {help}");
    }
    let sentence = C::parse("no such thing").unwrap_err().to_string();
    for value in C::ALL {
        assert!(sentence.contains(value.name()), "{sentence}");
    }
}

#[test]
fn every_list_can_be_typed() {
    can_be_typed::<Preset>();
    can_be_typed::<Position>();
    can_be_typed::<Norm>();
    can_be_typed::<NormPlace>();
    can_be_typed::<Residual>();
    can_be_typed::<SublayerOrder>();
    can_be_typed::<Mask>();
    can_be_typed::<Scale>();
    can_be_typed::<QkNorm>();
    can_be_typed::<Activation>();
    can_be_typed::<OutputHead>();
    can_be_typed::<Bias>();
    can_be_typed::<ResidualInit>();
}
