//! The words of comparisons.

use super::{Entry, entry};

pub(super) const ENTRIES: &[Entry] = &[
    entry(
        "baseline",
        &["control"],
        "The baseline is the unchanged model with which every variant of a grid is compared. It is trained with the \
         same seeds, texts and steps as the variants, and starts from the same weights wherever shapes agree. In \
         tables its name is `baseline`, and a positive difference means that a variant is worse.",
        None,
    ),
    entry(
        "paired difference",
        &["paired", "paired comparison", "difference"],
        "A paired difference compares two variants seed by seed: runs with the same seed see the same batches, so \
         that what they share cancels. The mean of these differences is in nats per token, and its scatter is much \
         smaller than that of the losses. Three seeds (`--seeds 3`) give three differences.",
        Some("Student 1908"),
    ),
    entry(
        "confidence interval",
        &["interval", "intervals", "95 % interval", "ci"],
        "A confidence interval gives the range in which the true difference lies, in 95 of 100 experiments like this \
         one. Here it is Student's interval of the paired differences, widened for the number of comparisons. If it \
         holds 0, the difference may be chance; with three seeds it is wide, and `--seeds 5` makes it about half as wide.",
        Some("Student 1908; Neyman 1937"),
    ),
    entry(
        "p-value",
        &["p", "p values"],
        "The p-value is how often chance alone would give a difference at least as large, if there were none: 0.05 is \
         one time in twenty. It comes from a paired t test over seeds, and does not say how large a difference is. \
         With one seed there is none.",
        Some("Student 1908"),
    ),
    entry(
        "Holm correction",
        &["holm", "multiple comparisons", "bonferroni"],
        "Who makes twenty comparisons finds one with a p below 0.05 by chance. Holm's correction raises the p-values for the \
         number of comparisons, so that the chance of even one false alarm stays below 5 %. All intervals and \
         p-values in the tables of `gptlab ablate` are corrected so; fewer `--switches` need less correction.",
        Some("Holm 1979"),
    ),
    entry(
        "significant",
        &["significance", "statistically significant"],
        "A difference is called significant when its corrected p-value is below 0.05, which is the same as an \
         interval without 0. \"Not significantly different\" does not mean equal: the table also says how small a \
         difference could not have been seen, and more `--seeds` make that smaller.",
        Some("Holm 1979"),
    ),
    entry(
        "noise",
        &["noise between seeds", "seed noise"],
        "Noise is how far the losses of the same model with different seeds lie apart, as a standard deviation in \
         nats. 0.001 to 0.02 is usual. The first line below the table of `gptlab ablate` says it; a \
         difference below it means nothing by itself.",
        None,
    ),
];
