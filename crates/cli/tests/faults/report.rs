//! Reports: after a kill, the command makes the report again.

use crate::{
    lab::{Lab, TINY},
    points::Choice,
    trial::{End, Trial},
};

#[test]
fn a_report_into_a_new_folder_and_over_an_old_one() {
    let new = Lab::new();
    new.ok(&format!(
        "train {TINY} --steps 4 --log-interval 1 --sample-interval 0 --observe full --out run"
    ));
    let line = "report run --out page";
    let old = new.copied();
    old.ok(line);
    for before in [&new, &old] {
        Trial {
            before,
            line,
            again: &|_| line.to_owned(),
            ignored: |_| false,
            kept: &|_, _| {},
            events: None,
            ordered: true,
            choice: Choice::EveryKind,
        }
        .at_all_points(&End::FAILURES);
    }
}
