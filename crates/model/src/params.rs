//! The one table of parameters: checkpoints, optimisers, counts, import, export and tests use it.

use std::fmt;

use crate::random::Stream;

/// The index of a row of the [`ParamTable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ParamId(usize);

impl ParamId {
    /// Returns the index in the order of [`ParamTable::iter`].
    pub fn index(self) -> usize {
        self.0
    }
}

/// One tensor of the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// The name of the tensor in the PyTorch twin, e.g. `blocks.0.attn.c_attn.weight`.
    pub name: String,
    /// `[out, in]` for a linear map, `[rows, width]` for an embedding, `[width]` for a vector.
    pub shape: Vec<usize>,
    /// The index of its first number in a flat vector of all parameters.
    pub offset: usize,
    /// The initial values.
    pub init: ParamInit,
    /// The kind of parameter, for optimisers.
    pub group: ParamGroup,
}

impl Param {
    /// Returns how many numbers the tensor holds.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Returns false for every parameter of a checked model; clippy asks for it beside `len`.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the tensor's range in a flat vector of all parameters.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.len()
    }
}

/// The initial values of a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ParamInit {
    /// Draws from N(0, std²).
    Normal {
        std: f64,
    },
    Ones,
    Zeros,
}

/// The kinds of parameters that an optimiser may treat differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamGroup {
    /// The weights of the linear maps inside the blocks.
    Matrix,
    /// The tables of tokens and positions, and the output head.
    Embedding,
    /// The gains and biases.
    Vector,
}

/// All parameters, in the order of the forward pass.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ParamTable {
    params: Vec<Param>,
}

impl ParamTable {
    pub(crate) fn add(
        &mut self,
        name: String,
        shape: Vec<usize>,
        init: ParamInit,
        group: ParamGroup,
    ) -> ParamId {
        self.params.push(Param {
            offset: self.total(),
            name,
            shape,
            init,
            group,
        });
        ParamId(self.params.len() - 1)
    }

    /// Returns all parameters, in the order of the forward pass.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Param> {
        self.params.iter()
    }

    /// Returns the parameter with this id.
    pub fn get(&self, id: ParamId) -> &Param {
        &self.params[id.0]
    }

    /// Returns the parameter with this name, if there is one.
    pub fn find(&self, name: &str) -> Option<&Param> {
        self.params.iter().find(|p| p.name == name)
    }

    /// Returns how many numbers all parameters hold together.
    pub fn total(&self) -> usize {
        self.params.last().map_or(0, |p| p.offset + p.len())
    }

    /// Draws initial values for all parameters, in table order.
    ///
    /// A draw depends on (seed, name, index) alone, so two models that share a tensor's name and
    /// shape start with the same tensor, whatever else differs between them.
    pub fn initial(&self, seed: u64) -> Vec<f32> {
        self.params
            .iter()
            .flat_map(|p| {
                let stream = Stream::new(seed, &format!("init/{}", p.name), 0);
                (0..p.len()).map(move |i| match p.init {
                    ParamInit::Normal { std } => (std * stream.normal_at(i as u64)) as f32,
                    ParamInit::Ones => 1.0,
                    ParamInit::Zeros => 0.0,
                })
            })
            .collect()
    }
}

/// Writes one line per parameter: its name, shape and initial values.
impl fmt::Display for ParamTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let longest = self.iter().map(|p| p.name.len()).max().unwrap_or(0);
        for Param {
            name, shape, init, ..
        } in self.iter()
        {
            let shape = format!("{shape:?}");
            writeln!(f, "{name:longest$}  {shape:<12} {init}")?;
        }
        Ok(())
    }
}

impl fmt::Display for ParamInit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal { std } => write!(f, "normal, std {}", *std as f32),
            Self::Ones => write!(f, "ones"),
            Self::Zeros => write!(f, "zeros"),
        }
    }
}
