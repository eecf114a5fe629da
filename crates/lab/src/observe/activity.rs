//! Measures the activations of a model on a few sequences.

use gptlab_data::Corpus;
use gptlab_engine::AttentionWeights;
use gptlab_model::{Batch, Graph, Node, ValueId};
use gptlab_train::Series;

use crate::probe::{
    Anatomy, Measure,
    formulas::{self, HeadMatrices},
};

/// Measurements in progress.
pub(super) struct Activity<'a> {
    graph: &'a Graph,
    anatomy: &'a Anatomy,
    batch: &'a Batch,
    /// The root mean square of each node's value.
    rms: Vec<f64>,
    /// By formula of [`formulas::STREAM`], then by depth.
    stream: Vec<Vec<(String, f64)>>,
    dead: Vec<(String, f64)>,
    /// By formula of [`formulas::HEADS`], then by head.
    heads: Vec<Vec<(String, f64)>>,
    log_z: f64,
    /// The loss of each token, in nats.
    losses: Vec<f64>,
}

/// The number of a sequence's tokens for which attention is measured.
const TOKENS: usize = 128;

impl<'a> Activity<'a> {
    pub(super) fn new(graph: &'a Graph, anatomy: &'a Anatomy, batch: &'a Batch) -> Self {
        Self {
            graph,
            anatomy,
            batch,
            rms: Vec::new(),
            stream: vec![Vec::new(); formulas::STREAM.len()],
            dead: Vec::new(),
            heads: vec![Vec::new(); formulas::HEADS.len()],
            log_z: 0.0,
            losses: Vec::new(),
        }
    }

    /// Measures the value of the graph's next node.
    pub(super) fn see(&mut self, node: &Node, value: &[f32]) {
        let id = self.graph.find(&node.name);
        let wanted =
            self.is_stage(self.rms.len()) || node.norm().is_some() || self.added(self.rms.len());
        self.rms
            .push(if wanted { formulas::rms(value) } else { 0.0 });
        let Some(id) = id else { return };
        if self.anatomy.stream.iter().any(|stage| stage.value == id) {
            self.stage(node, value);
        }
        if self.anatomy.mlps.iter().any(|mlp| mlp.act == id) {
            let share = formulas::dead_share(value, node.width);
            self.dead.push((node.name.clone(), share));
        }
        self.attend(id, value);
        if id == self.graph.logits() {
            self.log_z = formulas::mean_log_z(value, node.width);
            let rows = value.chunks_exact(node.width).zip(self.batch.targets());
            self.losses = rows
                .map(|(row, t)| formulas::log_z(row) - f64::from(row[*t as usize]))
                .collect();
        }
    }

    fn stage(&mut self, node: &Node, value: &[f32]) {
        for ((_, formula), found) in formulas::STREAM.iter().zip(&mut self.stream) {
            let sequences = (0..self.batch.sequences()).filter_map(|i| {
                let rows = self.batch.rows(i);
                let matrix = &value[rows.start * node.width..rows.end * node.width];
                formula(matrix, node.width)
            });
            let all: Vec<f64> = sequences.collect();
            let mean = all.iter().sum::<f64>() / all.len().max(1) as f64;
            found.push((node.name.clone(), mean));
        }
    }

    /// Measures the attention of the first sequence. Its scores and weights are recomputed from the
    /// packed queries, keys and values. Under a causal mask the first tokens do not depend on the
    /// others, so they suffice.
    fn attend(&mut self, id: ValueId, value: &[f32]) {
        let all = self.batch.rows(0).len();
        for part in self.anatomy.attentions.iter().filter(|part| part.qkv == id) {
            let width = self.graph.node(id).width;
            let rows = if part.op.mask.is_causal() {
                all.min(TOKENS)
            } else {
                all
            };
            let weights = AttentionWeights::new(&part.op, &value[..rows * width]);
            for head in 0..part.op.heads {
                let matrices = HeadMatrices {
                    scores: weights.head_scores(head),
                    weights: weights.head(head),
                    keys: rows,
                };
                for ((_, formula), found) in formulas::HEADS.iter().zip(&mut self.heads) {
                    let value = formula(&matrices);
                    found.extend(value.map(|value| (format!("{}.head{head}", part.name), value)));
                }
            }
        }
    }

    /// Returns every series, in the order in which events have them.
    pub(super) fn into_series(self, rarity: &Rarity) -> Vec<Series> {
        let before = [
            (Measure::ActivationRms, self.sizes()),
            (Measure::WriteRatio, self.writes()),
        ];
        let of_losses = [
            (Measure::LogZ, vec![("logits".to_owned(), self.log_z)]),
            (Measure::LossByPosition, self.by_position()),
            (Measure::InContextScore, self.in_context()),
            (
                Measure::LossByFrequency,
                rarity.split(self.batch.targets(), &self.losses),
            ),
        ];
        let heads = formulas::HEADS
            .iter()
            .map(|(measure, _)| *measure)
            .zip(self.heads);
        let stream = formulas::STREAM
            .iter()
            .map(|(measure, _)| *measure)
            .zip(self.stream);
        before
            .into_iter()
            .chain(heads)
            .chain(of_losses)
            .chain(stream)
            .chain([(Measure::DeadShare, self.dead)])
            .filter(|(_, values)| !values.is_empty())
            .map(|(measure, values)| series(measure, values))
            .collect()
    }

    /// Returns the sizes of the stream at every depth, and of the norms' outputs.
    fn sizes(&self) -> Vec<(String, f64)> {
        let nodes = self.graph.nodes().iter().enumerate();
        nodes
            .filter(|(i, node)| self.is_stage(*i) || node.norm().is_some())
            .map(|(i, node)| (node.name.clone(), self.rms[i]))
            .collect()
    }

    /// Returns the write ratio of every addition to the stream inside a block.
    fn writes(&self) -> Vec<(String, f64)> {
        let ratio = |node: &Node| {
            let (stream, write) = addition(node)?;
            let (stream, write) = (self.rms[stream.index()], self.rms[write.index()]);
            (stream > 0.0).then(|| (node.name.clone(), write / stream))
        };
        self.graph.nodes().iter().filter_map(ratio).collect()
    }

    /// Returns whether node number `node` is an operand of an addition to the stream.
    fn added(&self, node: usize) -> bool {
        let mut additions = self.graph.nodes().iter().filter_map(addition);
        additions.any(|(a, b)| a.index() == node || b.index() == node)
    }

    fn is_stage(&self, node: usize) -> bool {
        let mut stages = self.anatomy.stream.iter();
        stages.any(|stage| stage.value.index() == node)
    }

    /// Returns the mean losses at positions 0, 1, 2 to 3, 4 to 7, and so on.
    fn by_position(&self) -> Vec<(String, f64)> {
        let longest = (0..self.batch.sequences())
            .map(|i| self.batch.rows(i).len())
            .max();
        let octaves = longest.map_or(0, |n| usize::BITS - (n - 1).leading_zeros() + 1);
        (0..octaves)
            .map(|octave| {
                if octave == 0 {
                    0..1
                } else {
                    1 << (octave - 1)..1 << octave
                }
            })
            .filter_map(|places| {
                let loss = self.mean_at(|t, _| places.contains(&t))?;
                let last = places.end - 1;
                let name = if places.start == last {
                    last.to_string()
                } else {
                    format!("{}-{last}", places.start)
                };
                Some((name, loss))
            })
            .collect()
    }

    /// Returns by how much the loss is lower in the second half of a sequence than in the first.
    fn in_context(&self) -> Vec<(String, f64)> {
        let late = self.mean_at(|t, n| 2 * t >= n);
        let early = self.mean_at(|t, n| 2 * t < n);
        let gain = early.zip(late).map(|(early, late)| early - late);
        gain.map(|gain| ("all".to_owned(), gain))
            .into_iter()
            .collect()
    }

    /// Returns the mean loss of the tokens for which `wanted` returns true, given their position
    /// and the sequence's length.
    fn mean_at(&self, wanted: impl Fn(usize, usize) -> bool) -> Option<f64> {
        let (mut sum, mut count) = (0.0, 0u32);
        for i in 0..self.batch.sequences() {
            let rows = self.batch.rows(i);
            for t in (0..rows.len()).filter(|t| wanted(*t, rows.len())) {
                (sum, count) = (sum + self.losses[rows.start + t], count + 1);
            }
        }
        (count > 0).then(|| sum / f64::from(count))
    }
}

/// Returns the stream and the value added to it, if `node` is such an addition inside a block.
fn addition(node: &Node) -> Option<(ValueId, ValueId)> {
    node.block().and(node.addition())
}

fn series(measure: Measure, values: Vec<(String, f64)>) -> Series {
    let (at, values) = values.into_iter().unzip();
    Series {
        measure: measure.name().into(),
        at,
        values,
    }
}

/// The frequency class of each token in the training split.
#[derive(Debug, Default)]
pub(super) struct Rarity {
    classes: Vec<usize>,
}

/// The frequency classes: the most frequent tokens, which make up half of the text, the next, which
/// make up four tenths, and the rest.
const CLASSES: [(&str, f64); 3] = [("common", 0.5), ("middling", 0.9), ("rare", 1.0)];

impl Rarity {
    pub(super) fn of(corpus: &Corpus) -> Self {
        let tokens = corpus.train().tokens().to_vec();
        let mut counts = vec![0u64; corpus.tokenizer().vocab_size()];
        for token in &tokens {
            counts[*token as usize] += 1;
        }
        let mut by_count: Vec<usize> = (0..counts.len()).collect();
        by_count.sort_by_key(|token| (std::cmp::Reverse(counts[*token]), *token));
        let (mut classes, mut before) = (vec![CLASSES.len() - 1; counts.len()], 0);
        for token in by_count {
            let share = before as f64 / tokens.len().max(1) as f64;
            let class = CLASSES.iter().position(|(_, up_to)| share < *up_to);
            classes[token] = class.unwrap_or(CLASSES.len() - 1);
            before += counts[token];
        }
        Self { classes }
    }

    /// Returns the mean of `losses` over the targets of each class that occurs.
    fn split(&self, targets: &[u32], losses: &[f64]) -> Vec<(String, f64)> {
        let of = |(class, (name, _)): (usize, &(&str, f64))| {
            let own = targets
                .iter()
                .zip(losses)
                .filter(|(t, _)| self.classes[**t as usize] == class);
            let own: Vec<f64> = own.map(|(_, loss)| *loss).collect();
            let mean = own.iter().sum::<f64>() / own.len() as f64;
            (!own.is_empty()).then(|| ((*name).to_owned(), mean))
        };
        CLASSES.iter().enumerate().filter_map(of).collect()
    }
}
