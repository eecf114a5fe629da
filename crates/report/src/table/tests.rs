use super::*;

fn table() -> Table {
    let columns = vec![
        Column::words("variant"),
        Column::numbers("val loss"),
        Column::words("what it says"),
        Column::numbers("tok/s").on_screen(),
    ];
    let mut table = Table::new("Losses", columns);
    let row = |name: &str, x: f64, comment: &str| {
        vec![
            TableCell::text(name),
            TableCell::number(format!("{x:.2}"), x),
            TableCell::text(comment),
            TableCell::count(12_345),
        ]
    };
    table.push(row("base", 1.0 / 3.0, "a|b, \"c\""));
    table.push(row(
        "no residual",
        -2.5,
        "<script>alert(1)</script> & *more* words to wrap",
    ));
    table
}

#[test]
fn markdown_has_no_markup_from_cells_and_no_times() {
    assert_eq!(
        table().markdown(),
        "| variant | val loss | what it says |\n\
         | :-- | --: | :-- |\n\
         | base | 0.33 | a\\|b, \"c\" |\n\
         | no residual | -2.50 | &lt;script&gt;alert(1)&lt;/script&gt; &amp; \\*more\\* words to wrap |\n"
    );
}

#[test]
fn csv_has_all_digits_and_quotes_what_needs_it() {
    assert_eq!(
        table().csv(),
        "variant,val loss,what it says\n\
         base,0.3333333333333333,\"a|b, \"\"c\"\"\"\n\
         no residual,-2.5,<script>alert(1)</script> & *more* words to wrap\n"
    );
}

#[test]
fn text_is_aligned_and_fits() {
    let wide = table().text(120);
    assert!(
        wide.lines()
            .any(|l| l.starts_with("base          0.33  a|b")),
        "{wide}"
    );
    assert!(wide.contains("12,345"), "times are for screens\n{wide}");
    let narrow = table().text(60);
    assert!(narrow.lines().all(|l| l.chars().count() <= 60), "{narrow}");
    assert!(narrow.lines().count() > wide.lines().count(), "words wrap");
    for word in ["<script>alert(1)</script>", "*more*", "wrap"] {
        assert!(narrow.contains(word), "no {word} in\n{narrow}");
    }
}

#[test]
fn columns_that_do_not_fit_follow_in_another_block() {
    let titles = ["part", "entropy", "sink mass", "induction"];
    let mut table = Table::new("", titles.map(Column::numbers).to_vec());
    for x in [1.0, 2.0] {
        let cell = |x: f64| TableCell::number(format!("{x:.3}"), x);
        table.push(
            [TableCell::text(format!("head{x}"))]
                .into_iter()
                .chain([x, x + 0.1, x + 0.2].map(cell))
                .collect(),
        );
    }
    assert_eq!(
        table.text(22),
        " part  entropy   sink\n                 mass\n---------------------\nhead1    1.000  1.100\nhead2    2.000  \
         2.100\n\n part  induction\n----------------\nhead1      1.200\nhead2      2.200\n"
    );
    assert_eq!(table.text(80).matches("induction").count(), 1);
    // The title `sink mass` is wider than its numbers.
    assert_eq!(table.text(80).lines().count(), 5);
}

/// A title is as little cut as a cell.
#[test]
fn a_column_is_as_wide_as_the_words_of_its_title() {
    let titles = [
        "setting",
        "a-run-with-a-long-name",
        "another-run-of-that-name",
    ];
    let mut table = Table::new("", titles.map(Column::words).to_vec());
    table.push(["steps", "1", "2"].map(TableCell::text).to_vec());
    let text = table.text(40);
    assert!(text.lines().all(|l| l.chars().count() <= 40), "{text}");
}

#[test]
fn code_stays_on_one_line_if_it_fits() {
    assert_eq!(
        wrap("try `--steps 6` and more", 14),
        ["try", "`--steps 6`", "and more"]
    );
    assert_eq!(wrap("a ` b c d", 4), ["a `", "b c", "d"]);
    assert_eq!(wrap("(`a b c d e`)", 5), ["(`a b", "c d", "e`)"]);
}

#[test]
fn html_escapes_and_scrolls_in_its_box() {
    let page = table().html().into_string();
    assert!(
        page.contains("&lt;script&gt;") && !page.contains("<script>"),
        "{page}"
    );
    assert!(page.contains("<caption>Losses</caption>"));
    assert!(page.contains("<th scope=\"row\">base</th>"));
    assert!(page.contains("\u{2212}2.50"), "a real minus sign");
}

#[test]
fn empty_columns_go() {
    let mut table = Table::new("", vec![Column::words("a"), Column::words("b")]);
    table.push(vec![TableCell::text("x"), TableCell::default()]);
    let table = table.without_empty_columns();
    assert_eq!(table.columns.len(), 1);
    assert_eq!(table.rows, [[TableCell::text("x")]]);
}

#[test]
fn numbers_on_the_right_go_where_a_terminal_is_too_narrow() {
    let titles =
        |table: &Table| -> Vec<String> { table.columns.iter().map(|c| c.title.clone()).collect() };
    assert_eq!(
        titles(&table().fitting(120)),
        titles(&table()),
        "there is room"
    );
    let narrow = table().fitting(52);
    assert_eq!(titles(&narrow), ["variant", "val loss", "what it says"]);
    assert!(narrow.text(52).lines().all(|l| l.chars().count() <= 52));
}

#[test]
fn wide_characters_keep_the_columns_aligned() {
    let mut table = Table::new("", vec![Column::words("run"), Column::numbers("loss")]);
    for name in ["吾輩は猫である", "tinyshakespeare"] {
        table.push(vec![TableCell::text(name), TableCell::number("2.0", 2.0)]);
    }
    let rule = "-".repeat(21);
    assert_eq!(
        table.text(40),
        format!("run              loss\n{rule}\n吾輩は猫である    2.0\ntinyshakespeare   2.0\n")
    );
}
