//! mdBook's protocol, with the pages of the real book.

use std::{fs, path::Path};

use gptlab_book::preprocessor::preprocessed;
use serde_json::{Value, json};

fn book() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../book")
}

/// Returns what mdBook 0.5.4 writes, with one page in the place of a sub-item.
fn input(language: &str, name: &str, content: &str) -> String {
    let chapter = |name: &str, content: &str, sub_items: Value| {
        json!({"Chapter": {
            "name": "x", "content": content, "number": null, "sub_items": sub_items,
            "path": format!("{name}.md"), "source_path": format!("{name}.md"), "parent_names": [],
        }})
    };
    let page = chapter(name, content, json!([]));
    let items =
        json!(["Separator", {"PartTitle": "x"}, chapter("introduction", "# A\n", json!([page]))]);
    let context = json!({
        "root": book().join(language), "renderer": "html", "mdbook_version": "0.5.4",
        "config": {"book": {"language": language}},
    });
    json!([context, {"items": items}]).to_string()
}

fn page(json: &str) -> String {
    let book: Value = serde_json::from_str(json).unwrap();
    let content = &book["items"][2]["Chapter"]["sub_items"][0]["Chapter"]["content"];
    content.as_str().unwrap().to_owned()
}

#[test]
fn references_are_resolved_in_both_languages() {
    for (language, link) in [
        ("en", "../ja/01-guessing.html"),
        ("ja", "../en/01-guessing.html"),
    ] {
        let file = book().join(language).join("src/01-guessing.md");
        let content = fs::read_to_string(file).unwrap();
        let json = preprocessed(&input(language, "01-guessing", &content)).unwrap();
        let page = page(&json);
        assert!(!page.contains("{{"), "{page}");
        for part in [
            link,
            "```sh\ngptlab baselines",
            "class=\"chart\" viewBox",
            "(glossary.md#loss \"",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
        let book: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(book["items"][0], "Separator");
    }
}

#[test]
fn a_reference_that_leads_nowhere_fails_the_build() {
    let problems = preprocessed(&input("en", "01-guessing", "# A\n\n{{baselines.lost}}\n"));
    let problems = problems.unwrap_err();
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0]
            .to_string()
            .contains("01-guessing.md:3: `{{baselines.lost}}`")
    );
}

#[test]
fn the_sections_of_older_versions_are_refused() {
    let old = input("en", "01-guessing", "# A\n").replace("\"items\"", "\"sections\"");
    assert!(
        preprocessed(&old).unwrap_err()[0]
            .message
            .contains("mdBook 0.5 is needed")
    );
}
