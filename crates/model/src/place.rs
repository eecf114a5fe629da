//! The place of a node in its model: `lower` sets it, and the node's name is made from it.

use std::fmt;

/// The place of a node and its role there. [`fmt::Display`] writes the node's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// A node before the first block.
    Embedding(EmbeddingRole),
    /// A node in a block, with the sublayer that it belongs to.
    Block(SublayerId, Role),
    /// A node after the last block.
    End(EndRole),
}

/// The role of a node before the first block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EmbeddingRole {
    Token,
    Position,
    /// The sum of token and position.
    Sum,
    Norm,
    Dropout,
}

/// The role of a node after the last block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndRole {
    Norm,
    Logits,
}

/// The role of a node in a sublayer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The norm of the sublayer's input, or of the sum that its output is part of.
    Norm,
    /// The packed queries, keys and values.
    Qkv,
    /// The normalised queries and keys.
    QkNorm,
    /// The queries and keys, rotated by their positions.
    Rotary,
    /// The heads' outputs, side by side.
    Mix,
    /// The MLP's first linear map.
    Up,
    /// The linear map that gates the MLP's first one.
    Gate,
    /// The MLP's hidden units.
    Activation,
    /// The projection onto the residual stream.
    Output,
    Dropout,
    /// The stream after the sublayer's output was added.
    Residual,
}

/// One sublayer of a model. [`fmt::Display`] writes its name: `block0.attn`, and `block0.attn_2`
/// for the second of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SublayerId {
    /// The index of the block, counted from 0.
    pub block: usize,
    pub kind: SublayerKind,
    /// The index among the sublayers of its kind in the block, counted from 0.
    pub nth: usize,
}

/// The kind of a sublayer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SublayerKind {
    Attention,
    Mlp,
}

impl Place {
    /// Returns the node's sublayer; `None` before the first block and after the last.
    pub fn sublayer(self) -> Option<SublayerId> {
        match self {
            Self::Block(sublayer, _) => Some(sublayer),
            Self::Embedding(_) | Self::End(_) => None,
        }
    }

    /// Returns the node's role in its sublayer; `None` before the first block and after the last.
    pub fn role(self) -> Option<Role> {
        match self {
            Self::Block(_, role) => Some(role),
            Self::Embedding(_) | Self::End(_) => None,
        }
    }

    /// Returns the sublayer whose projection onto the residual stream the node is, if it is one.
    pub fn sublayer_output(self) -> Option<SublayerId> {
        self.sublayer()
            .filter(|_| self.role() == Some(Role::Output))
    }

    /// Returns true if the node stands after the last block.
    pub fn is_end(self) -> bool {
        match self {
            Self::End(_) => true,
            Self::Embedding(_) | Self::Block(..) => false,
        }
    }
}

impl SublayerId {
    /// Returns the prefix of the names of its parameters: `blocks.0.attn`.
    pub(crate) fn param(self) -> String {
        format!("blocks.{}.{}", self.block, self.named(self.kind.name()))
    }

    /// Returns the prefix of the names of its norm's parameters: `blocks.0.ln1`.
    pub(crate) fn norm_param(self) -> String {
        format!("blocks.{}.{}", self.block, self.named(self.kind.norm()))
    }

    /// Returns `name`, followed by the sublayer's number if it is not the first of its kind.
    fn named(self, name: &str) -> String {
        match self.nth {
            0 => name.to_owned(),
            nth => format!("{name}_{}", nth + 1),
        }
    }
}

impl SublayerKind {
    fn name(self) -> &'static str {
        match self {
            Self::Attention => "attn",
            Self::Mlp => "mlp",
        }
    }

    fn norm(self) -> &'static str {
        match self {
            Self::Attention => "ln1",
            Self::Mlp => "ln2",
        }
    }
}

impl Role {
    /// Returns the name of `sublayer`'s node with this role.
    fn in_sublayer(self, sublayer: SublayerId) -> String {
        let role = match self {
            Self::Norm => {
                let norm = sublayer.named(sublayer.kind.norm());
                return format!("block{}.{norm}", sublayer.block);
            }
            Self::Qkv => "qkv",
            Self::QkNorm => "qk_norm",
            Self::Rotary => "rotary",
            Self::Mix => "mix",
            Self::Up => "up",
            Self::Gate => "gate",
            Self::Activation => "act",
            Self::Output => "out",
            Self::Dropout => "drop",
            Self::Residual => "residual",
        };
        format!("{sublayer}.{role}")
    }
}

impl fmt::Display for SublayerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "block{}.{}", self.block, self.named(self.kind.name()))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedding(role) => f.write_str(match role {
                EmbeddingRole::Token => "tok_emb",
                EmbeddingRole::Position => "pos_emb",
                EmbeddingRole::Sum => "embed",
                EmbeddingRole::Norm => "ln_emb",
                EmbeddingRole::Dropout => "embed.drop",
            }),
            Self::Block(sublayer, role) => f.write_str(&role.in_sublayer(*sublayer)),
            Self::End(EndRole::Norm) => f.write_str("ln_f"),
            Self::End(EndRole::Logits) => f.write_str("logits"),
        }
    }
}
