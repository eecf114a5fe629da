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

/// Returns the style of the `i`th of several lines.
pub(super) fn look_of(i: usize) -> Look {
    LOOKS[i % LOOKS.len()]
}

/// The number of lines that can be distinguished.
pub(super) const MOST_LOOKS: usize = LOOKS.len();

/// CSS that gives every chart its font, its colours and, where dark is preferred, its dark colours.
pub const STYLE: &str = include_str!("chart.css");
