//! The lines of a run, in the seed's form.

use gptlab_record::StepRecord;

use gptlab_report::words::count;

/// Formats `step     0 | loss 4.1718 | grad_norm 3.4104 | lr 0.00e+00 | time 3.6s`, and other known
/// values.
pub(super) fn step(record: &StepRecord) -> String {
    let mut fields = vec![
        format!("step {:5}", record.step),
        format!("loss {:.4}", record.loss),
        format!("grad_norm {:.4}", record.grad_norm),
        format!("lr {}", scientific(record.lr)),
        format!("time {:.1}s", record.seconds),
    ];
    fields.extend(record.val_loss.map(|loss| format!("val {loss:.4}")));
    fields.extend(
        record
            .val_bits_per_char
            .map(|bits| format!("bpc {bits:.2}")),
    );
    let rate = count(record.tokens_per_second.round() as u64);
    fields.push(format!("{rate} tok/s"));
    fields.join(" | ")
}

/// Formats like Python's `{:.2e}`: with a sign and at least two digits in the exponent.
fn scientific(x: f64) -> String {
    let text = format!("{x:.2e}");
    let Some((digits, exponent)) = text.split_once('e') else {
        return text;
    };
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{exponent:0>2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: StepRecord = StepRecord {
        step: 0,
        loss: 4.171_79,
        grad_norm: 3.410_4,
        lr: 0.0,
        seconds: 3.6,
        tokens_per_second: 61_000.4,
        val_loss: None,
        val_bits_per_char: None,
    };

    #[test]
    fn a_step_begins_as_the_seed_s_does() {
        assert_eq!(
            step(&RECORD),
            "step     0 | loss 4.1718 | grad_norm 3.4104 | lr 0.00e+00 | time 3.6s | 61,000 tok/s"
        );
        let validated = StepRecord {
            val_loss: Some(4.172),
            val_bits_per_char: Some(6.019),
            ..RECORD
        };
        assert_eq!(
            step(&validated),
            "step     0 | loss 4.1718 | grad_norm 3.4104 | lr 0.00e+00 | time 3.6s \
             | val 4.1720 | bpc 6.02 | 61,000 tok/s"
        );
    }

    /// The texts are those of `CPython`'s `'%.2e' % x`.
    #[test]
    fn exponents_are_python_s() {
        let known = [
            (0.0, "0.00e+00"),
            (3e-4, "3.00e-04"),
            (12.5, "1.25e+01"),
            (1e-100, "1.00e-100"),
        ];
        for (x, expected) in known {
            assert_eq!(scientific(x), expected);
        }
    }
}
