//! The table of measures. Every number that a probe or a training run shows is defined here, once.
//! Records hold the names; the code that writes them and the code that reads them use this table.

use serde::Serialize;

/// Defines the enum and the list of all its variants from one list of names.
macro_rules! measures {
    ($($name:ident,)+) => {
        /// A quantity that is measured inside a model.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Measure {
            $($name,)+
        }

        impl Measure {
            /// All measures, in the order of the tables.
            pub const ALL: &[Self] = &[$(Self::$name,)+];
        }
    };
}

measures! {
    GradNorm,
    UpdateRatio,
    ClipShare,
    ActivationRms,
    TokenSimilarity,
    WriteRatio,
    AttentionEntropy,
    SinkMass,
    MaxAttentionLogit,
    PrefixMatching,
    DeadShare,
    LogZ,
    LossByPosition,
    InContextScore,
    LossByFrequency,
    PreviousToken,
    DuplicateToken,
    Induction,
    LensLoss,
    LensKl,
    LogitAttribution,
    ZeroAblation,
    MeanAblation,
    Surprise,
    Recovery,
    CopiedSpan,
}

/// The meaning of a measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Definition {
    pub measure: Measure,
    /// The name in files and in JSON.
    pub name: &'static str,
    /// How the measure is computed, in words.
    pub formula: &'static str,
    pub unit: &'static str,
    /// The paper or post that introduced the measure.
    pub source: &'static str,
    /// Typical values, and values that indicate a problem.
    pub range: &'static str,
}

impl Measure {
    /// Returns the definitions of all measures.
    pub fn definitions() -> Vec<Definition> {
        Self::ALL
            .iter()
            .map(|measure| measure.definition())
            .collect()
    }

    /// Returns the name in files and in JSON.
    pub fn name(self) -> &'static str {
        self.definition().name
    }

    /// Returns the measure that files call `name`; `None` for a measure of another version of the
    /// program.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|m| m.name() == name)
    }

    /// Returns the definition of this measure.
    #[expect(clippy::too_many_lines, reason = "one flat list")]
    pub fn definition(self) -> Definition {
        let [name, formula, unit, source, range] = match self {
            Self::GradNorm => [
                "grad_norm",
                "L2 norm of a parameter's gradient, before clipping",
                "1",
                "Pascanu et al. 2013",
                "of the same order in all blocks; shrinks towards the embedding where gradients vanish",
            ],
            Self::UpdateRatio => [
                "update_ratio",
                "L2 norm of a parameter's update / L2 norm of the parameter before it",
                "1",
                "the rule of thumb of Karpathy 2022",
                "about 0.001 per step in mid-training, and 0 where the rate has fallen to 0; 0.1 is unstable, 0.00001 in mid-training makes no progress",
            ],
            Self::ClipShare => [
                "clip_share",
                "1 - the factor that clipping multiplied the gradients by",
                "1",
                "Pascanu et al. 2013",
                "0 most of the time; above 0.5 step after step, clipping sets the learning rate",
            ],
            Self::ActivationRms => [
                "activation_rms",
                "root mean square of a node's values over tokens and width",
                "1",
                "Glorot & Bengio 2010",
                "grows slowly with depth in pre-norm models; falls to 0 or explodes where signal is lost",
            ],
            Self::TokenSimilarity => [
                "token_similarity",
                "mean cosine of the vectors of every two tokens of a sequence",
                "1",
                "Dong et al. 2021 (rank collapse); Noci et al. 2022",
                "well below 1; near 1 means that all tokens have become the same",
            ],
            Self::WriteRatio => [
                "write_ratio",
                "rms of what a sublayer adds / rms of the stream it adds to",
                "1",
                "the branch-to-skip ratio of De & Smith 2020",
                "0.05 to 1, falling with depth, and far above 1 in the first block, which adds to a small embedding; near 0 the sublayer does nothing",
            ],
            Self::AttentionEntropy => [
                "attention_entropy",
                "entropy of a head's weights, mean over queries",
                "nats",
                "Clark et al. 2019; Zhai et al. 2023 (entropy collapse)",
                "0 (one token) to ln T (all alike); near 0 everywhere early in training is a collapse",
            ],
            Self::SinkMass => [
                "sink_mass",
                "weight on position 0, mean over all later queries",
                "1",
                "Xiao et al. 2023",
                "near 1 for inactive heads in large models; about ln(T)/T where weights are uniform",
            ],
            Self::MaxAttentionLogit => [
                "max_attention_logit",
                "largest score before the softmax, over heads, queries and keys",
                "1",
                "Dehghani et al. 2023; Wortsman et al. 2023",
                "up to some tens; unbounded growth leads to divergence",
            ],
            Self::PrefixMatching => [
                "prefix_matching",
                "weight from repeated tokens on the tokens after their earlier occurrences, mean, on the prompt",
                "1",
                "Olsson et al. 2022 (prefix matching)",
                "near 1 for an induction head on a prompt that repeats; small elsewhere",
            ],
            Self::DeadShare => [
                "dead_share",
                "share of hidden units whose output is at most 0.001 in magnitude at every token",
                "1",
                "Lu et al. 2019 (dying ReLU)",
                "near 0 with GELU and SiLU; some with ReLU; near 1 the MLP is inactive",
            ],
            Self::LogZ => [
                "log_z",
                "ln of the sum of exp of the logits, mean over tokens",
                "nats",
                "Chowdhery et al. 2022 (z-loss)",
                "ln V at the start; a steady drift away from it precedes instability in low precision",
            ],
            Self::LossByPosition => [
                "loss_by_position",
                "mean loss at positions 0, 1, 2-3, 4-7, ... of a context",
                "nats per token",
                "Kaplan et al. 2020, section 3.4",
                "falls with position while context helps; flat from position 1 on for a bigram model, but for what one batch scatters",
            ],
            Self::InContextScore => [
                "in_context_score",
                "mean loss in the first half of a context - mean loss in the second half",
                "nats per token",
                "after Olsson et al. 2022, who compare tokens 50 and 500",
                "above 0 for a model that learns from its context; one batch scatters by tenths of a nat",
            ],
            Self::LossByFrequency => [
                "loss_by_frequency",
                "mean loss on the commonest tokens (half of the text), the next (four tenths), the rest",
                "nats per token",
                "after Kunstner et al. 2024",
                "rare tokens are learned last, and by SGD hardly at all",
            ],
            Self::PreviousToken => [
                "previous_token",
                "weight from token t on t - 1, mean, on random tokens repeated once",
                "1",
                "Elhage et al. 2021; Olsson et al. 2022",
                "near 1 for a previous-token head; (ln T) / T where weights are uniform",
            ],
            Self::DuplicateToken => [
                "duplicate_token",
                "weight from second-half token t on t - L, its first occurrence, mean",
                "1",
                "Wang et al. 2022",
                "near 1 for a duplicate-token head; about 0.7 / L where weights are uniform",
            ],
            Self::Induction => [
                "induction",
                "weight from second-half token t on t - L + 1, the token after its first occurrence, mean",
                "1",
                "Olsson et al. 2022",
                "near 1 for an induction head; about 0.7 / L where weights are uniform",
            ],
            Self::LensLoss => [
                "lens_loss",
                "loss when the final norm and head read the stream after this block",
                "nats per token",
                "nostalgebraist 2020 (logit lens)",
                "falls with depth to the model's loss; may be above ln V early on",
            ],
            Self::LensKl => [
                "lens_kl",
                "KL divergence of the model's distribution from the lens's, mean over tokens",
                "nats",
                "Belrose et al. 2023",
                "falls to 0 at the last block",
            ],
            Self::LogitAttribution => [
                "logit_attribution",
                "what a part adds to the target's logit, norms as linear maps at their actual scale",
                "logits",
                "Elhage et al. 2021; Wang et al. 2022",
                "parts sum to the logit up to rounding",
            ],
            Self::ZeroAblation => [
                "zero_ablation",
                "loss with a part's output set to 0, minus loss",
                "nats per token",
                "Michel et al. 2019",
                "above 0 for parts that matter; 0 for idle ones",
            ],
            Self::MeanAblation => [
                "mean_ablation",
                "loss with a part's output set to its mean over the text, minus loss",
                "nats per token",
                "Wang et al. 2022",
                "at most about the zero ablation's: what the part knows of this token",
            ],
            Self::Surprise => [
                "surprise",
                "-ln of the probability that the model gave the actual token",
                "nats",
                "Shannon 1948",
                "0 (certain) to ln V (uniform guessing) and above (wrongly sure)",
            ],
            Self::Recovery => [
                "recovery",
                "(patched - corrupted) / (clean - corrupted) difference of the two answers' logits",
                "1",
                "Meng et al. 2022; Zhang & Nanda 2024",
                "0 (none) to 1 (all of the difference); outside this range where parts oppose each other",
            ],
            Self::CopiedSpan => [
                "copied_span",
                "length of the longest piece of text that also occurs in the training text",
                "characters",
                "Lee et al. 2022; McCoy et al. 2023",
                "a few words for a model that has learned; whole sentences for one that has memorised",
            ],
        };
        Definition {
            measure: self,
            name,
            formula,
            unit,
            source,
            range,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_measure_is_listed_once_under_its_own_name() {
        let names: BTreeSet<&str> = Measure::ALL.iter().map(|m| m.name()).collect();
        assert_eq!(names.len(), Measure::ALL.len());
        for &measure in Measure::ALL {
            let json = serde_json::to_value(measure).expect("a name");
            assert_eq!(json, measure.name());
            assert_eq!(Measure::from_name(measure.name()), Some(measure));
        }
        let listed: BTreeSet<Measure> = Measure::ALL.iter().copied().collect();
        assert_eq!(listed.len(), Measure::ALL.len());
    }
}
