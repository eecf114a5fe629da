//! The words of probes and observations.

use super::{Entry, entry};

pub(super) const ENTRIES: &[Entry] = &[
    entry(
        "probe",
        &["probes", "interpretability"],
        "A probe measures something inside a trained model instead of its loss alone. `gptlab probe` runs all of \
         them on a checkpoint, and `gptlab probe --measures` says what every number means. What a probe shows is \
         true of this model on this text.",
        None,
    ),
    entry(
        "logit lens",
        &["lens"],
        "The logit lens lets the final norm and the head read the residual stream after each block, as if the model \
         ended there. It shows at which depth the right token appears. The loss of the lens mostly falls with depth, to the \
         loss of the model, and may be above that of uniform guessing in early blocks. `gptlab probe` prints it for a \
         prompt.",
        Some("nostalgebraist 2020"),
    ),
    entry(
        "attribution",
        &["direct logit attribution", "dla"],
        "Attribution says how much each part of the model (embedding, head, MLP) adds to the logit of a token. The \
         stream is a sum of what the parts wrote, and the head is linear, so that the parts sum to the logit. A \
         positive number speaks for the token; what a part does through later parts is not counted.",
        Some("Elhage et al. 2021; Wang et al. 2022"),
    ),
    entry(
        "activation patching",
        &["patching", "causal tracing", "interchange intervention"],
        "Activation patching runs the model on a corrupted prompt and puts in one activation from the clean prompt. \
         If the clean answer comes back, that activation carries the difference between the two. \
         `gptlab probe model.safetensors --prompt A --corrupt B --answers XY` does so for every part; the result \
         is 0 for no effect and 1 for all of it.",
        Some("Meng et al. 2022; Zhang & Nanda 2024"),
    ),
    entry(
        "induction head",
        &["induction heads"],
        "An induction head continues what it has seen before: after A it looks for an earlier A, and copies what came \
         after that one. It needs a previous-token head in an earlier block, so that a model of one block has none. \
         Its score is near 1 on random tokens that repeat, and about 0.7 / L for a head that looks everywhere alike, \
         where L tokens are repeated.",
        Some("Elhage et al. 2021; Olsson et al. 2022"),
    ),
    entry(
        "previous-token head",
        &["previous-token heads"],
        "A previous-token head looks at the token just before. It writes into the stream of a token what came before \
         it, which induction heads in later blocks read. Its score, the mean weight on the token before, is near 1; \
         most small models have at least one in the first blocks.",
        Some("Elhage et al. 2021; Olsson et al. 2022"),
    ),
    entry(
        "attention entropy",
        &["entropy of attention"],
        "The entropy of a head's weights says over how many tokens it looks: 0 nats is one token, and ln T is T \
         tokens alike, which is 5.5 nats for 256. Near 0 in all heads early in training is \
         a collapse, after which training often fails.",
        Some("Clark et al. 2019; Zhai et al. 2023"),
    ),
    entry(
        "attention sink",
        &["sink", "sinks", "attention sinks"],
        "An attention sink is a token that gets much weight without being of use, usually the first of the context. A \
         head that finds nothing puts its weight there, since the weights must sum to 1. Half of the weight on the \
         first token is common in large models; `gptlab doctor RUN` names it above 0.8 for all heads.",
        Some("Xiao et al. 2023"),
    ),
    entry(
        "dead unit",
        &["dead units", "dead neuron", "dead neurons", "dying relu"],
        "A dead unit of an MLP is never active: its output stays at most 0.001 in magnitude at every token. With ReLU \
         it gets no gradient and stays so; with GELU and SiLU there are next to none. `--observe full` records their \
         share, and `gptlab doctor RUN` names it above one half.",
        Some("Lu et al. 2019"),
    ),
    entry(
        "ablation",
        &["ablate", "ablations", "switch", "switches"],
        "An ablation takes out or replaces one part of a model, trains it as before, and compares the losses; the \
         difference is what the part is worth. `gptlab ablate --switches no-residual` does so, and \
         `gptlab ablate --list` describes every switch. In a model that is already trained, a probe ablates a head \
         by setting its output to 0 or to its mean.",
        Some("Meyes et al. 2019"),
    ),
    entry(
        "observe",
        &["observation", "telemetry"],
        "A run that observes itself records what happens inside it at every logged step: gradients and updates with \
         `--observe basic`, which takes 1 to 2 % of such a step, and also activations, attention and dead units with \
         `--observe full`, which takes about 10 %. `gptlab report` draws it. Observing changes no number of the run.",
        None,
    ),
];
