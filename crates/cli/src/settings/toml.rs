//! Settings as a file that `--config` reads.

use gptlab_recipe::Overrides;
use gptlab_report::words::wrapped;

use crate::{
    exit::{CommandResult, Stop},
    printer::Printer,
};

/// Prints the text that was typed, if any, and every setting by name, below paragraphs of
/// `comment`, as a settings file; or as a JSON object. On a terminal each line of a paragraph is a
/// comment of its own.
pub(crate) fn print(
    settings: &Overrides,
    data: Option<&str>,
    comment: &[&str],
    json: bool,
    printer: Printer,
) -> CommandResult<()> {
    if json {
        // The object is ordered by name, whatever the order of the table.
        let mut object = serde_json::to_value(settings).map_err(Stop::failure)?;
        if let (Some(data), Some(fields)) = (data, object.as_object_mut()) {
            fields.insert("data".to_owned(), data.into());
        }
        printer.json(&object);
        return Ok(());
    }
    for text in comment {
        let lines = match printer.fitted() {
            Some(width) => wrapped(text, width.saturating_sub(2)),
            None => (*text).to_owned(),
        };
        for line in lines.lines() {
            printer.exact_line(format_args!("# {line}"));
        }
    }
    if let Some(data) = data {
        let data = serde_json::to_string(data).map_err(Stop::failure)?;
        printer.exact_line(format_args!("\ndata = {data}"));
    }
    let mut group = None;
    for (key, value) in settings.values() {
        if group.replace(key.group) != Some(key.group) {
            printer.exact_line(format_args!("\n# {}", key.group.title()));
        }
        let value = serde_json::to_string(&value).map_err(Stop::failure)?;
        printer.exact_line(format_args!("{} = {value}", key.name()));
    }
    Ok(())
}
