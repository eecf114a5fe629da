//! The lines of a run's logged steps.

use gptlab_record::StepRecord;

use gptlab_report::words::count;

/// The form of a logged step's line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::commands) enum StepForm {
    /// The form that fits 80 columns.
    Fitted,
    /// The form of the ancestor gpt2-mini, followed by other known values.
    Ancestor,
}

impl StepForm {
    /// Formats `record`.
    pub(super) fn line(self, record: &StepRecord) -> String {
        match self {
            Self::Fitted => fitted(record),
            Self::Ancestor => ancestor(record),
        }
    }
}

/// Formats `step   500 | loss 1.6012 | val 1.7112 | grad_norm 0.4455 | lr 7.11e-03 | 27.0s`.
fn fitted(record: &StepRecord) -> String {
    let mut fields = vec![
        format!("step {:5}", record.step),
        format!("loss {:.4}", record.loss),
    ];
    fields.extend(record.val_loss.map(|loss| format!("val {loss:.4}")));
    fields.push(format!("grad_norm {:.4}", record.grad_norm));
    fields.push(format!("lr {}", scientific(record.lr)));
    fields.push(clock(record.seconds));
    fields.join(" | ")
}

/// Formats seconds as `27.0s`, `2m05s` or `3h07m`, in at most six columns up to a hundred hours.
fn clock(seconds: f64) -> String {
    let whole = seconds as u64;
    match whole {
        0..100 => format!("{seconds:.1}s"),
        100..6_000 => format!("{}m{:02}s", whole / 60, whole % 60),
        _ => format!("{}h{:02}m", whole / 3_600, whole / 60 % 60),
    }
}

/// Formats `step     0 | loss 4.1718 | grad_norm 3.4104 | lr 0.00e+00 | time 3.6s`, and other known
/// values.
fn ancestor(record: &StepRecord) -> String {
    let mut fields = vec![
        format!("step {:5}", record.step),
        format!("loss {:.4}", record.loss),
        format!("grad_norm {:.4}", record.grad_norm),
        format!("lr {}", scientific(record.lr)),
        format!("time {:.1}s", record.seconds),
    ];
    fields.extend(record.val_loss.map(|loss| format!("val {loss:.4}")));
    let bits = record.val_bits_per_char;
    fields.extend(bits.map(|bits| format!("bpc {bits:.2}")));
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
    fn a_step_is_written_as_the_ancestor_writes_it() {
        assert_eq!(
            StepForm::Ancestor.line(&RECORD),
            "step     0 | loss 4.1718 | grad_norm 3.4104 | lr 0.00e+00 | time 3.6s | 61,000 tok/s"
        );
        let validated = StepRecord {
            val_loss: Some(4.172),
            val_bits_per_char: Some(6.019),
            ..RECORD
        };
        assert_eq!(
            StepForm::Ancestor.line(&validated),
            "step     0 | loss 4.1718 | grad_norm 3.4104 | lr 0.00e+00 | time 3.6s \
             | val 4.1720 | bpc 6.02 | 61,000 tok/s"
        );
    }

    #[test]
    fn a_fitted_step_is_at_most_80_columns() {
        let fitted = |record: &StepRecord| StepForm::Fitted.line(record);
        assert_eq!(
            fitted(&RECORD),
            "step     0 | loss 4.1718 | grad_norm 3.4104 | lr 0.00e+00 | 3.6s"
        );
        let late = StepRecord {
            step: 99_999,
            val_loss: Some(4.172),
            val_bits_per_char: Some(6.019),
            grad_norm: 13.410_4,
            seconds: 359_999.0,
            ..RECORD
        };
        assert_eq!(
            fitted(&late),
            "step 99999 | loss 4.1718 | val 4.1720 | grad_norm 13.4104 | lr 0.00e+00 | 99h59m"
        );
        assert_eq!(fitted(&late).len(), 80);
        assert_eq!(
            [99.94, 100.0, 5_999.0, 6_000.0].map(clock),
            ["99.9s", "1m40s", "99m59s", "1h40m"]
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
