//! What a model is, as data: what `inspect --json` prints.

use gptlab_model::{Counts, Graph, Model, ModelSpec, Param, ParamInit};
use serde::Serialize;

use crate::Header;

/// A model's choices, sizes, ops and parameters, and what a checkpoint says besides.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection<'a> {
    pub spec: &'a ModelSpec,
    pub vocab_size: usize,
    pub parameters: usize,
    /// Operations of a forward pass over one sequence as long as the context.
    pub forward_flops: u128,
    /// The ops, one a line.
    pub listing: String,
    /// The parameter table.
    pub table: Vec<ParameterRow>,
    /// The header of the checkpoint that holds the model, where one does.
    pub checkpoint: Option<&'a Header>,
}

/// A parameter tensor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ParameterRow {
    pub name: String,
    pub shape: Vec<usize>,
    /// Where it begins among all parameters, in numbers.
    pub offset: usize,
    /// How it is initialised: `normal(0.0200)`, `ones` or `zeros`.
    pub init: String,
}

impl<'a> Inspection<'a> {
    /// Returns what `model` is, whose ops are those of `graph`.
    pub fn new(model: &'a Model, graph: &Graph, checkpoint: Option<&'a Header>) -> Self {
        let counts = Counts::of(graph, model.spec().block_size);
        Self {
            spec: model.spec(),
            vocab_size: model.vocab_size(),
            parameters: counts.parameters,
            forward_flops: counts.forward_flops,
            listing: graph.to_string(),
            table: graph.params().iter().map(ParameterRow::from).collect(),
            checkpoint,
        }
    }
}

impl From<&Param> for ParameterRow {
    fn from(param: &Param) -> Self {
        Self {
            name: param.name.clone(),
            shape: param.shape.clone(),
            offset: param.offset,
            init: match param.init {
                ParamInit::Normal { std } => format!("normal({std:.4})"),
                ParamInit::Ones => "ones".into(),
                ParamInit::Zeros => "zeros".into(),
            },
        }
    }
}
