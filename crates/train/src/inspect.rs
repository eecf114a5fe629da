//! A model as data: the result of `inspect --json`.

use gptlab_model::{Counts, Graph, Model, ModelSpec, Param, ParamInit};
use serde::Serialize;

use crate::Header;

/// A model's spec, sizes, operations and parameters, and the checkpoint's header.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection<'a> {
    pub spec: &'a ModelSpec,
    pub vocab_size: usize,
    pub parameters: usize,
    /// The number of floating-point operations of a forward pass over one sequence of the context's
    /// length.
    pub forward_flops: u128,
    /// The model's operations, one per line.
    pub listing: String,
    /// The parameter table.
    pub table: Vec<ParameterRow>,
    /// The header of the checkpoint that holds the model, if it was read from one.
    pub checkpoint: Option<&'a Header>,
}

/// One parameter tensor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ParameterRow {
    pub name: String,
    pub shape: Vec<usize>,
    /// The index of its first number among all parameters.
    pub offset: usize,
    /// The initialisation: `normal(0.0200)`, `ones` or `zeros`.
    pub init: String,
}

impl<'a> Inspection<'a> {
    /// Returns the description of `model`, whose operations are those of `graph`.
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
