//! Too little memory and too few threads: the messages, and the work that continues.

use std::process::Command;

use crate::{Lab, Ran, TINY};

/// Runs `line` under limits that `sh` sets first.
fn limited(lab: &Lab, limits: &str, line: &str) -> Ran {
    let program = env!("CARGO_BIN_EXE_gptlab");
    let command = format!("{limits} && exec {program} {line}");
    let run = Command::new("sh")
        .args(["-c", &command])
        .current_dir(lab.path("."))
        .output();
    Ran::of(run.expect("a shell"))
}

/// Reports what was not tested.
#[expect(
    clippy::print_stderr,
    reason = "the reason why a test was skipped is for people to read"
)]
fn skip(why: &str) {
    eprintln!("{why}");
}

/// Sizes from a typing error to the largest 64-bit number are refused with a sentence, and no
/// folder is made.
#[test]
fn what_no_machine_holds_is_refused_before_a_folder_is_made() {
    let lab = Lab::new();
    let max = u64::MAX;
    for (flags, code, expected) in [
        (
            format!("--n-layer {max}"),
            2,
            format!("error: n_layer must be at most 4096, found {max}"),
        ),
        (
            "--n-layer 4097".into(),
            2,
            "error: n_layer must be at most 4096, found 4097".into(),
        ),
        (
            format!("--n-embd {max}"),
            2,
            format!("error: n_embd must be from 1 to 16777216, found {max}"),
        ),
        (
            format!("--mlp-hidden {max}"),
            2,
            "error: the MLP's hidden size must be from 1 to 16777216".into(),
        ),
        (
            format!("--n-head {max}"),
            2,
            "error: n_head must be from 1 to 16777216".into(),
        ),
        (
            format!("--block-size {max} --tokenizer lines"),
            2,
            "error: block_size must be from 1 to 16777216".into(),
        ),
        (
            format!("--batch-size {max}"),
            2,
            "error: batch_size must be from 1 to 1048576".into(),
        ),
        (
            format!("--steps {max}"),
            2,
            "error: steps must be from 1 to 4294967295".into(),
        ),
        (
            "--n-embd 65536 --n-head 8".into(),
            2,
            "error: the model would have about ".into(),
        ),
        (
            "--n-embd 16384 --n-head 8 --n-layer 1".into(),
            2,
            "error: training this model needs about ".into(),
        ),
        (
            "--batch-size 1048576 --block-size 300 --n-layer 1 --n-embd 16".into(),
            2,
            "error: training this model needs about ".into(),
        ),
    ] {
        let line = format!("train --data data.txt --out run {flags}");
        let ran = limited(&lab, "ulimit -v 4000000", &line);
        assert_eq!(ran.code, code, "{flags}: {}", ran.err);
        assert!(ran.err.starts_with(&expected), "{flags}: {}", ran.err);
        assert!(!lab.path("run").exists(), "{flags}");
    }
}

/// These sizes are large and valid.
#[test]
fn intervals_and_ends_take_the_largest_numbers() {
    let lab = Lab::trained();
    let max = u64::MAX;
    for n in [0, 1, max] {
        let log = n.max(1);
        lab.ok(&format!(
            "train --data data.txt {TINY} --val-tokens {n} --sample-interval {n} --checkpoint-interval {n} \
             --keep-checkpoints {log} --warmup {n} --log-interval {log} --out run-{n} --seed {n}",
            TINY = TINY.replace("--log-interval 2", "")
        ));
    }
    lab.ok("inspect --n-layer 4096 --n-embd 2 --n-head 1 --block-size 16777216 --vocab-size 2");
    let ran = lab.ok(&format!(
        "generate model.safetensors --prompt the --stop t --seed 1 --max-tokens {max} --top-k {max}"
    ));
    assert!(ran.out.starts_with("the"));
    lab.ok(&format!(
        "probe model.safetensors --data data.txt --tokens {max} --top {max} --json"
    ));
}

/// The error reports what is needed and what is free, and the setting that it suggests works.
#[test]
fn a_limit_of_addresses_is_seen_before_it_is_hit() {
    let lab = Lab::new();
    let limits = "ulimit -v 900000";
    let line = "train --data data.txt --steps 1 --sample-interval 0 --threads 2 --batch-size 2 --block-size 16 --out run --n-embd 1024 --n-head 8";
    let ran = limited(&lab, limits, line);
    if ran.code == 0 {
        skip("skipped: this shell limits no addresses");
        return;
    }
    assert_eq!(ran.code, 2, "{}", ran.err);
    let expected = "error: training this model needs about ";
    assert!(ran.err.starts_with(expected), "{}", ran.err);
    assert!(
        ran.first_line().ends_with(" are free (limit: ulimit -v)"),
        "{}",
        ran.err
    );
    assert!(!lab.path("run").exists());
    let hint = ran
        .err
        .lines()
        .find_map(|l| l.strip_prefix("hint: `--n-embd "));
    let width = hint
        .and_then(|l| l.split('`').next())
        .expect("a width that fits");
    let ran = limited(
        &lab,
        limits,
        &format!("{line} --n-embd {width}").replace("--n-embd 1024 ", ""),
    );
    assert_eq!(ran.code, 0, "{width}: {}", ran.err);
}

/// Runs side by side take turns if they do not fit together.
#[test]
fn a_grid_runs_as_many_side_by_side_as_fit() {
    let lab = Lab::new();
    let line = "ablate --data data.txt --switches no-mlp --seeds 1 --steps 1 --n-layer 1 --n-embd 512 --n-head 4 \
                --block-size 16 --threads 2 --jobs 2 --batch-size 2 --observe off --out grid";
    let ran = limited(&lab, "ulimit -v 420000", line);
    assert_eq!(ran.code, 0, "{}", ran.err);
    if !ran.err.contains("side by side") {
        skip("skipped: this shell limits no addresses");
        return;
    }
    let expected = "warning: 1 of 2 runs side by side: each needs about ";
    let warning = ran.err.lines().find(|line| line.starts_with(expected));
    let warning = warning.unwrap_or_else(|| panic!("{}", ran.err));
    assert!(warning.ends_with("(limit: ulimit -v)"), "{warning}");
    assert!(ran.out.contains("no MLP"), "{}", ran.out);
}

#[test]
fn samples_are_written_a_few_at_a_time() {
    let lab = Lab::trained();
    let line = "generate model.safetensors --prompt the --max-tokens 2 --seed 1 --threads 2";
    let ran = lab.run(&format!("{line} --samples 4294967296"));
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert_eq!(
        ran.first_line(),
        "error: --samples must be at most 4294967295, found 4294967296"
    );
    // There are more samples than start at once.
    let many = lab.ok(&format!("{line} --samples 300 --json")).out;
    let few = lab.ok(&format!("{line} --samples 130 --threads 1 --json"));
    assert!(many.starts_with(&few.out));
    assert_eq!((many.lines().count(), few.out.lines().count()), (300, 130));
}

/// Runs `line` as a user with a limit on threads; `None` if that cannot be arranged.
fn threads(lab: &Lab, most: usize, line: &str) -> Option<Ran> {
    let run = |words: &str| {
        let user = "setpriv --reuid=64998 --regid=64998 --clear-groups --no-new-privs";
        Command::new("sh")
            .args([
                "-c",
                &format!("chmod -R a+rwX . && exec {user} prlimit --nproc={most} {words}"),
            ])
            .current_dir(lab.path("."))
            .output()
    };
    let able = |o: &std::process::Output| o.status.success();
    let program = env!("CARGO_BIN_EXE_gptlab");
    run("true").ok().filter(able)?;
    run(&format!("{program} presets")).ok().filter(able)?;
    run(&format!("{program} {line}")).ok().map(Ran::of)
}

/// There is one test, because the limit counts all threads of a user.
#[test]
fn who_gets_no_threads_says_so_and_goes_on() {
    let lab = Lab::trained();
    let train = "train --data data.txt --n-layer 1 --n-embd 16 --n-head 2 --block-size 16 --batch-size 2 --steps 4 \
                 --log-interval 2 --sample-interval 2 --max-tokens 8 --threads 8";
    let Some(ran) = threads(&lab, 1, &format!("{train} --out few")) else {
        skip("skipped: no other user can be had here");
        return;
    };
    assert_eq!(ran.code, 0, "{}", ran.err);
    let slower =
        "warning: the system gives 1 of 8 threads; this takes longer and changes no number";
    assert!(ran.err.contains(slower), "{}", ran.err);
    let alone = "warning: the system gives no thread to write on;";
    assert_eq!(ran.err.matches(alone).count(), 1, "{}", ran.err);
    lab.ok(&format!("{train} --out many"));
    let last = |folder: &str| lab.read(&format!("{folder}/checkpoints/step-00000004.safetensors"));
    assert_eq!(last("few"), last("many"));

    let write =
        "generate model.safetensors --prompt the --max-tokens 9 --seed 1 --samples 5 --threads 4";
    let few = threads(&lab, 1, write).expect("as before");
    assert_eq!((few.code, &few.out), (0, &lab.ok(write).out), "{}", few.err);
    assert!(
        few.err.contains(alone) && few.err.contains("1 of 4 threads"),
        "{}",
        few.err
    );

    let ablate = "ablate --data data.txt --switches no-mlp,no-attention --seeds 1 --steps 4 --n-layer 1 --n-embd 16 --n-head 2 \
                  --block-size 16 --batch-size 2 --threads 4 --jobs 3";
    let few = threads(&lab, 1, &format!("{ablate} --out few-grid")).expect("as before");
    assert_eq!(few.code, 0, "{}", few.err);
    assert!(
        few.err
            .contains("the system gives threads for 1 of 3 runs side by side"),
        "{}",
        few.err
    );
    lab.ok(&format!("{ablate} --out many-grid"));
    let results = |folder: &str| lab.read(&format!("{folder}/results.json"));
    assert_eq!(results("few-grid"), results("many-grid"));
}
