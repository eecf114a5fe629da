//! Puts an SVG of a report into a page.

use crate::words::escaped;

/// How a page of mdBook is dark: its themes are classes of the root element, and the reader can
/// choose one that differs from the system's preference.
const DARK_PAGE: &str = "html:is(.coal,.navy,.ayu) ";
/// The rules with which a report's picture is dark by the system's preference.
const DARK_RULES: &str = "@media (prefers-color-scheme:dark){";

/// Returns a figure with the picture inline. It has no blank line, at which Markdown would end the
/// HTML, and its dark form follows the theme of the page.
///
/// # Errors
/// Returns a sentence if the file is not an SVG as reports have them.
pub fn figure(svg: &str, caption: &str) -> Result<String, String> {
    let wrong = || "expected an SVG picture as `gptlab report` writes it".to_owned();
    let start = svg.find("<svg").ok_or_else(wrong)?;
    let svg = svg[start..].trim_end();
    if !svg.ends_with("</svg>") {
        return Err(wrong());
    }
    let end = svg.find('>').ok_or_else(wrong)?;
    let label = escaped(caption);
    let open = without_attribute(&without_attribute(&svg[..end], "role"), "aria-label");
    let body = dark_by_theme(&svg[end..]);
    let lines = body.lines().filter(|line| !line.trim().is_empty());
    let body: Vec<&str> = lines.collect();
    Ok(format!(
        "<figure class=\"picture\">\n<div tabindex=\"0\" role=\"group\" aria-label=\"{label}\">\n\
         {open} role=\"img\" aria-label=\"{label}\"{}\n</div>\n<figcaption>{label}</figcaption>\n</figure>",
        body.join("\n")
    ))
}

/// Returns the opening of an element without an attribute.
fn without_attribute(open: &str, name: &str) -> String {
    let mark = format!(" {name}=\"");
    let Some((before, rest)) = open.split_once(&mark) else {
        return open.to_owned();
    };
    let after = rest.split_once('"').map_or("", |(_, after)| after);
    format!("{before}{after}")
}

/// Returns the picture with its dark rules bound to the theme of the page, and to screens.
fn dark_by_theme(svg: &str) -> String {
    let Some((before, rest)) = svg.split_once(DARK_RULES) else {
        return svg.to_owned();
    };
    let Some((rules, after)) = rest.split_once("\n}") else {
        return svg.to_owned();
    };
    let rules = rules.replace("svg.chart", &format!("{DARK_PAGE}svg.chart"));
    format!("{before}@media screen{{{rules}\n}}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SVG: &str = "<?xml version=\"1.0\"?>\n<svg class=\"chart\" role=\"img\" aria-label=\"a > b\" width=\"9\">\n\
                       <style>svg.chart{a:b}\n@media (prefers-color-scheme:dark){\nsvg.chart{c:d}\nsvg.chart .s{e:f}svg.chart .t{g:h}\n}\n\
                       @media print{svg.chart{i:j}}\n</style>\n\n<path d=\"M0\"/>\n</svg>\n";

    #[test]
    fn a_picture_is_one_block_of_html_with_its_caption() {
        let svg = SVG.replace("a > b", "a");
        let figure = figure(&svg, "What \"it\" shows").unwrap();
        assert!(
            !figure.contains("\n\n") && !figure.contains("<?xml"),
            "{figure}"
        );
        assert!(
            figure.starts_with("<figure") && figure.ends_with("</figure>"),
            "{figure}"
        );
        let open = "<svg class=\"chart\" width=\"9\" role=\"img\" aria-label=\"What &quot;it&quot; shows\">";
        assert!(figure.contains(open), "{figure}");
        assert!(figure.contains("<figcaption>What &quot;it&quot; shows</figcaption>"));
    }

    #[test]
    fn the_dark_form_follows_the_theme_of_the_page() {
        let dark = dark_by_theme(SVG);
        let dark_form = "@media screen{\nhtml:is(.coal,.navy,.ayu) svg.chart{c:d}\n\
                         html:is(.coal,.navy,.ayu) svg.chart .s{e:f}html:is(.coal,.navy,.ayu) svg.chart .t{g:h}\n}\n@media print{svg.chart{i:j}}";
        assert!(dark.contains(dark_form), "{dark}");
        assert!(dark.contains("<style>svg.chart{a:b}"));
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        for text in ["", "<html>", "<svg>", "<svg"] {
            assert!(
                figure(text, "x").unwrap_err().contains("expected an SVG"),
                "{text}"
            );
        }
    }
}
