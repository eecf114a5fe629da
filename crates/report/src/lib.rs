//! What a record says, as tables, charts and pages.
//!
//! Knows: runs and grids as they lie on disk, Markdown, CSV, SVG, HTML.
//! Never will: engines, training, data, the terminal, the environment.
