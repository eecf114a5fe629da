//! The colours of charts, in a light and a dark form.

use plotters::style::RGBColor;

pub(super) const INK: RGBColor = RGBColor(0x1B, 0x1F, 0x24);
pub(super) const MUTED: RGBColor = RGBColor(0x5F, 0x68, 0x72);
pub(super) const GRID: RGBColor = RGBColor(0xE1, 0xE4, 0xE8);
pub(super) const PAPER: RGBColor = RGBColor(0xFF, 0xFF, 0xFF);
pub(super) const BLUE: RGBColor = RGBColor(0x00, 0x72, 0xB2);
pub(super) const VERMILION: RGBColor = RGBColor(0xD5, 0x5E, 0x00);
const GREEN: RGBColor = RGBColor(0x00, 0x9E, 0x73);
const PURPLE: RGBColor = RGBColor(0xCC, 0x79, 0xA7);
const ORANGE: RGBColor = RGBColor(0xE6, 0x9F, 0x00);
const SKY: RGBColor = RGBColor(0x56, 0xB4, 0xE9);

/// The style of one of several lines: its colour, and its dashes `(on, off)` in SVG units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Look {
    pub(super) colour: RGBColor,
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

/// The styles of lines, of which the first is the baseline's.
const LOOKS: [Look; 7] = [
    look(INK, None, Marker::Disc),
    look(VERMILION, Some((32, 10)), Marker::Ring),
    look(BLUE, Some((8, 8)), Marker::Triangle),
    look(GREEN, Some((48, 14)), Marker::Cross),
    look(PURPLE, None, Marker::Ring),
    look(ORANGE, Some((20, 20)), Marker::Triangle),
    look(SKY, Some((12, 18)), Marker::Disc),
];

const fn look(colour: RGBColor, dash: Option<(u32, u32)>, marker: Marker) -> Look {
    Look {
        colour,
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

/// CSS that gives every chart its font and, where dark is preferred, its dark colours. Each rule
/// maps one of the colours above.
pub const STYLE: &str = "\
svg.chart text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans','DejaVu Sans',sans-serif}
@media (prefers-color-scheme:dark){
svg.chart [fill='#FFFFFF']{fill:#14171B}
svg.chart [fill='#1B1F24']{fill:#E4E7EB}svg.chart [stroke='#1B1F24']{stroke:#E4E7EB}
svg.chart [fill='#5F6872']{fill:#9BA5AF}svg.chart [stroke='#5F6872']{stroke:#9BA5AF}
svg.chart [fill='#E1E4E8']{fill:#2B3138}svg.chart [stroke='#E1E4E8']{stroke:#2B3138}
svg.chart [fill='#0072B2']{fill:#4FA3DA}svg.chart [stroke='#0072B2']{stroke:#4FA3DA}
svg.chart [fill='#D55E00']{fill:#F0894A}svg.chart [stroke='#D55E00']{stroke:#F0894A}
svg.chart [fill='#009E73']{fill:#2FC093}svg.chart [stroke='#009E73']{stroke:#2FC093}
}
";
