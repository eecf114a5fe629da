//! Where a node stands in its model: `lower` says it, and names are made of it.

use std::fmt;

/// Where a node stands, and what it is there. [`fmt::Display`] is the node's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// Before the first block.
    Embedding(EmbeddingRole),
    /// In a block: which sublayer it belongs to.
    Block(SublayerId, Role),
    /// After the last block.
    End(EndRole),
}

/// What a node before the first block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EmbeddingRole {
    Token,
    Position,
    /// Of token and position.
    Sum,
    Norm,
    Dropout,
}

/// What a node after the last block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndRole {
    Norm,
    Logits,
}

/// What a node of a sublayer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Of the sublayer's input, or of the sum that its output is part of.
    Norm,
    /// Packed queries, keys and values.
    Qkv,
    /// Queries and keys normalised.
    QkNorm,
    /// Queries and keys turned by their positions.
    Rotary,
    /// What heads make, side by side.
    Mix,
    /// The MLP's first linear map.
    Up,
    /// The linear map that gates it.
    Gate,
    /// The MLP's hidden units.
    Activation,
    /// The projection onto the residual stream.
    Output,
    Dropout,
    /// The stream with the sublayer's output added.
    Residual,
}

/// One sublayer of a model. [`fmt::Display`] is its name: `block0.attn`, and `block0.attn_2` for
/// the second of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SublayerId {
    /// Counted from 0.
    pub block: usize,
    pub kind: SublayerKind,
    /// Which of its kind in the block, counted from 0.
    pub nth: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SublayerKind {
    Attention,
    Mlp,
}

impl Place {
    /// The sublayer that the node belongs to; `None` before the first block and after the last.
    pub fn sublayer(self) -> Option<SublayerId> {
        match self {
            Self::Block(sublayer, _) => Some(sublayer),
            Self::Embedding(_) | Self::End(_) => None,
        }
    }

    /// What the node is in its sublayer; `None` before the first block and after the last.
    pub fn role(self) -> Option<Role> {
        match self {
            Self::Block(_, role) => Some(role),
            Self::Embedding(_) | Self::End(_) => None,
        }
    }

    /// The sublayer whose projection onto the residual stream this is, where it is one.
    pub fn sublayer_output(self) -> Option<SublayerId> {
        self.sublayer()
            .filter(|_| self.role() == Some(Role::Output))
    }

    /// Whether the node stands after the last block.
    pub fn is_end(self) -> bool {
        match self {
            Self::End(_) => true,
            Self::Embedding(_) | Self::Block(..) => false,
        }
    }
}

impl SublayerId {
    /// What the names of its parameters begin with: `blocks.0.attn`.
    pub(crate) fn param(self) -> String {
        format!("blocks.{}.{}", self.block, self.named(self.kind.name()))
    }

    /// What the names of its norm's parameters begin with: `blocks.0.ln1`.
    pub(crate) fn norm_param(self) -> String {
        format!("blocks.{}.{}", self.block, self.named(self.kind.norm()))
    }

    /// `name`, with its number where it is not the first of its kind.
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
    /// The name of `sublayer`'s node in this role.
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
