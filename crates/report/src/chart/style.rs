//! Colours, in a light and a dark form. Elements name a class, and the style sheet below gives each
//! class its colour, so that a page, a file and a dark screen show the same markup.

/// The look of one of several lines: the class of its colour, and its dashes `(on, off)` in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Look {
    pub(super) class: &'static str,
    pub(super) dash: Option<(u32, u32)>,
    pub(super) marker: Marker,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marker {
    Disc,
    Ring,
    Triangle,
    Cross,
}

pub(super) const INK: Look = look("ink", None, Marker::Disc);
pub(super) const MUTED: Look = look("muted", None, Marker::Disc);
/// What is worse than the baseline.
pub(super) const WORSE: Look = look("s1", None, Marker::Disc);
/// What is better than the baseline.
pub(super) const BETTER: Look = look("s2", None, Marker::Disc);

/// The first look is that of the baseline.
const LOOKS: [Look; 7] = [
    look("s0", None, Marker::Disc),
    look("s1", Some((8, 2)), Marker::Ring),
    look("s2", Some((2, 2)), Marker::Triangle),
    look("s3", Some((12, 3)), Marker::Cross),
    look("s4", None, Marker::Ring),
    look("s5", Some((5, 5)), Marker::Triangle),
    look("s6", Some((3, 4)), Marker::Disc),
];

const fn look(class: &'static str, dash: Option<(u32, u32)>, marker: Marker) -> Look {
    Look {
        class,
        dash,
        marker,
    }
}

/// The dashes of lines whose colours repeat, in the order in which they are used.
const DASHES: [Option<(u32, u32)>; 6] = [
    None,
    Some((2, 2)),
    Some((8, 2)),
    Some((5, 5)),
    Some((12, 3)),
    Some((3, 4)),
];

/// Returns the style of the `i`th of several lines. Colours repeat after [`MOST_LOOKS`] lines, each
/// time with other dashes.
pub(super) fn look_of(i: usize) -> Look {
    let look = LOOKS[i % LOOKS.len()];
    let Some(repeated) = (i / LOOKS.len()).checked_sub(1) else {
        return look;
    };
    let mut others = DASHES.into_iter().filter(|dash| *dash != look.dash);
    let dash = others.nth(repeated % (DASHES.len() - 1));
    Look {
        dash: dash.unwrap_or(look.dash),
        ..look
    }
}

/// The number of lines that can be distinguished.
pub(super) const MOST_LOOKS: usize = LOOKS.len();
/// The number of lines that can be distinguished beside a legend that lists all of them.
pub(super) const MOST_LISTED_LOOKS: usize = 4 * LOOKS.len();

/// CSS that gives every chart its font, its colours and, where dark is preferred, its dark colours.
pub const STYLE: &str = include_str!("chart.css");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_lines_look_the_same() {
        let looks: Vec<Look> = (0..MOST_LISTED_LOOKS).map(look_of).collect();
        for (i, one) in looks.iter().enumerate() {
            let same = |other: &&Look| (other.class, other.dash) == (one.class, one.dash);
            assert_eq!(looks.iter().filter(same).count(), 1, "{i}: {one:?}");
        }
        assert_eq!(&looks[..MOST_LOOKS], &LOOKS);
    }
}
