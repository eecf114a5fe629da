"""The whole model space in plain PyTorch: the outside witness of `crates/model`.

`GPT(spec, vocab_size)` takes the JSON form of a `ModelSpec` and is written as a textbook would:
explicit attention matrices, `nn.Linear`, `nn.LayerNorm`, autograd. Its parameters carry the names of
the laboratory's parameter table, so a checkpoint's tensors go straight into `load_state_dict`.

Numbers that a spec stores as 32-bit floats (dropout, softcap, the norms' epsilon, ...) are rounded to
32 bits here too, so that a model in float64 is the same model to the last digit.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from philox import Stream, keep_scale, row_mask

Spec = dict[str, Any]

ROTARY_BASE = 10_000.0


def f32(x: float) -> float:
    """`x` as the nearest 32-bit float."""
    return float(np.float32(x))


NORM_EPS = f32(1e-5)


def unknown(what: str, value: object) -> ValueError:
    """For choices this file does not know: they must not pass silently."""
    return ValueError(f"unknown {what}: {value!r}")


# --- dropout ---------------------------------------------------------------------------------------


class Dropout(Protocol):
    """Where masks come from. `first_row` is the first sequence's row in a packed batch."""

    def values(self, name: str, x: Tensor, p: float, first_row: int) -> Tensor:
        """Drops elements of `x`, [B, T, C], the value called `name`."""

    def weights(self, name: str, att: Tensor, p: float, first_row: int) -> Tensor:
        """Drops attention weights, [B, H, T, T], of the node called `name`."""


class NoDropout:
    """Evaluation."""

    def values(self, name: str, x: Tensor, p: float, first_row: int) -> Tensor:
        return x

    def weights(self, name: str, att: Tensor, p: float, first_row: int) -> Tensor:
        return att


class TorchDropout:
    """PyTorch's own masks: for benchmarks, where only the time counts."""

    def values(self, name: str, x: Tensor, p: float, first_row: int) -> Tensor:
        return F.dropout(x, p)

    def weights(self, name: str, att: Tensor, p: float, first_row: int) -> Tensor:
        return F.dropout(att, p)


class PhiloxDropout:
    """The laboratory's masks of one training step."""

    def __init__(self, seed: int, step: int) -> None:
        self.seed, self.step = seed, step

    def values(self, name: str, x: Tensor, p: float, first_row: int) -> Tensor:
        b, t, width = x.shape
        rows = first_row + np.arange(b * t, dtype=np.int64).reshape(b, t)
        return self._drop(name, x, p, rows, width)

    def weights(self, name: str, att: Tensor, p: float, first_row: int) -> Tensor:
        b, heads, t, _ = att.shape
        starts = (first_row + t * np.arange(b, dtype=np.int64)) * heads
        rows = starts[:, None] + np.arange(heads * t, dtype=np.int64)
        # Masks are numbered by key, then query.
        return self._drop(name, att.mT, p, rows.reshape(b, heads, t), t).mT

    def _drop(self, name: str, x: Tensor, p: float, rows: np.ndarray, width: int) -> Tensor:
        if p == 0.0:
            return x
        stream = Stream(self.seed, f"dropout/{name}", self.step)
        kept = torch.from_numpy(row_mask(stream, rows, width, p)).to(x)
        return x * kept * keep_scale(p)


# --- pieces ----------------------------------------------------------------------------------------


def rms_norm(x: Tensor) -> Tensor:
    """Rows divided by their root mean square (Zhang & Sennrich 2019)."""
    return x / torch.sqrt(x.square().mean(-1, keepdim=True) + NORM_EPS)


class RmsNorm(nn.Module):
    """`rms_norm`, with a gain or without."""

    def __init__(self, width: int, gain: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width)) if gain else None

    def forward(self, x: Tensor) -> Tensor:
        return rms_norm(x) if self.weight is None else rms_norm(x) * self.weight


def make_norm(kind: str, width: int, bias: bool) -> nn.Module:
    """A norm of the spec."""
    match kind:
        case "none":
            return nn.Identity()
        case "layer-norm":
            return nn.LayerNorm(width, eps=NORM_EPS, bias=bias)
        case "rms-norm":
            return RmsNorm(width, gain=True)
        case "rms-norm-no-gain":
            return RmsNorm(width, gain=False)
        case _:
            raise unknown("norm", kind)


def activate(kind: str, x: Tensor) -> Tensor:
    """An activation of the spec."""
    match kind:
        case "gelu-erf":
            return F.gelu(x)
        case "gelu-tanh":
            return F.gelu(x, approximate="tanh")
        case "relu":
            return F.relu(x)
        case "relu-squared":
            return F.relu(x).square()
        case "silu":
            return F.silu(x)
        case _:
            raise unknown("activation", kind)


def sinusoids(length: int, width: int) -> Tensor:
    """Sines in even columns, cosines in odd ones, [length, width] (Vaswani et al. 2017)."""
    column = np.arange(width)
    rate = ROTARY_BASE ** (-(column - column % 2) / width)
    angle = np.arange(length)[:, None] * rate
    table = np.where(column % 2 == 0, np.sin(angle), np.cos(angle))
    return torch.from_numpy(table.astype(np.float32))


def alibi_slopes(heads: int) -> Tensor:
    """Press et al. 2022: geometric for powers of two; otherwise filled from the next power."""

    def geometric(n: int) -> list[float]:
        return [f32(2.0 ** (-8.0 * (i + 1) / n)) for i in range(n)]

    below = 2 ** int(math.log2(heads))
    extra = geometric(2 * below)[::2][: heads - below]
    return torch.tensor(geometric(below) + extra, dtype=torch.float64)


def rotate(x: Tensor) -> Tensor:
    """Turns pairs (i, i + D/2) of each head of x, [B, H, T, D], by position (Su et al. 2021)."""
    t, half = x.shape[2], x.shape[3] // 2
    rate = ROTARY_BASE ** (-torch.arange(half, dtype=torch.float64) / half)
    angle = torch.arange(t, dtype=torch.float64)[:, None] * rate
    cos, sin = angle.cos().to(x), angle.sin().to(x)
    a, b = x[..., :half], x[..., half:]
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


# --- sublayers -------------------------------------------------------------------------------------


class Attention(nn.Module):
    """Multi-head attention with every option of the spec."""

    def __init__(self, spec: Spec, options: Spec, node: str) -> None:
        super().__init__()
        self.node = node
        self.options = options
        self.position: str = spec["position"]
        self.p = f32(spec["dropout"])
        self.heads, self.kv_heads = options["heads"], options["kv_heads"]
        c = spec["n_embd"]
        self.head_dim = c // self.heads
        packed = (self.heads + 2 * self.kv_heads) * self.head_dim
        bias = has_bias(spec)
        self.c_attn = nn.Linear(c, packed, bias=bias)
        self.c_proj = nn.Linear(c, c, bias=bias)

    def forward(self, x: Tensor, drop: Dropout, first_row: int) -> Tensor:
        b, t, c = x.shape
        q, k, v = self.split(self.c_attn(x))
        att = F.softmax(self.scores(q, k), dim=-1)
        att = drop.weights(f"{self.node}.mix", att, self.p, first_row)
        mix = (att @ v).transpose(1, 2).reshape(b, t, c)
        return self.c_proj(mix)

    def split(self, packed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each [B, heads, T, D]."""
        kv = self.kv_heads * self.head_dim
        parts = packed.split((self.heads * self.head_dim, kv, kv), dim=-1)
        q, k, v = (z.unflatten(-1, (-1, self.head_dim)).transpose(1, 2) for z in parts)
        if self.options["qk_norm"] == "rms-norm":
            q, k = rms_norm(q), rms_norm(k)
        if self.position == "rotary":
            q, k = rotate(q), rotate(k)
        shared = self.heads // self.kv_heads
        return q, k.repeat_interleave(shared, dim=1), v.repeat_interleave(shared, dim=1)

    def scores(self, q: Tensor, k: Tensor) -> Tensor:
        """Scaled, capped, penalised by distance, masked: in this order. [B, H, T, T]."""
        scores = q @ k.transpose(-2, -1) * self.scale()
        cap = self.options["softcap"]
        if cap is not None:
            scores = f32(cap) * torch.tanh(scores / f32(cap))
        place = torch.arange(q.shape[2])
        distance = place[:, None] - place[None, :]
        if self.position == "alibi":
            slopes = alibi_slopes(self.heads).to(scores)
            scores = scores - slopes[:, None, None] * distance.abs().to(scores)
        match self.options["mask"]:
            case "causal":
                window = self.options.get("window") or distance.shape[0]
                hidden = (distance < 0) | (distance >= window)
                return scores.masked_fill(hidden, -torch.inf)
            case "full":
                return scores
            case other:
                raise unknown("mask", other)

    def scale(self) -> float:
        match self.options["scale"]:
            case "inverse-sqrt":
                return f32(1.0 / math.sqrt(self.head_dim))
            case "one":
                return 1.0
            case other:
                raise unknown("scale", other)


class Mlp(nn.Module):
    """Up, activation, down; gated forms multiply the activation of a second map (Shazeer 2020)."""

    def __init__(self, spec: Spec, options: Spec) -> None:
        super().__init__()
        c, hidden, bias = spec["n_embd"], options["hidden"], has_bias(spec)
        ((form, self.activation),) = options["form"].items()
        if form not in ("plain", "gated"):
            raise unknown("form of MLP", form)
        self.c_fc = nn.Linear(c, hidden, bias=bias)
        self.c_gate = nn.Linear(c, hidden, bias=bias) if form == "gated" else None
        self.c_proj = nn.Linear(hidden, c, bias=bias)

    def forward(self, x: Tensor, drop: Dropout, first_row: int) -> Tensor:
        up = self.c_fc(x)
        if self.c_gate is None:
            return self.c_proj(activate(self.activation, up))
        return self.c_proj(activate(self.activation, self.c_gate(x)) * up)


def has_bias(spec: Spec) -> bool:
    match spec["bias"]:
        case "everywhere":
            return True
        case "nowhere":
            return False
        case other:
            raise unknown("bias", other)


# --- model -----------------------------------------------------------------------------------------


class Block(nn.Module):
    """A list of sublayers and how they are wired to the residual stream."""

    def __init__(self, spec: Spec, layer: list[Spec], index: int) -> None:
        super().__init__()
        self.wiring: Spec = spec["wiring"]
        self.node = f"block{index}"
        self.p = f32(spec["dropout"])
        self.places: list[tuple[str, str]] = []  # (sublayer's name, norm's name)
        for sublayer in layer:
            ((kind, options),) = sublayer.items()
            self.append(spec, kind, options)

    def append(self, spec: Spec, kind: str, options: Spec) -> None:
        """Adds `attn` with `ln1` or `mlp` with `ln2`; a second of its kind gets `_2`, and so on."""
        base, norm = {"attention": ("attn", "ln1"), "mlp": ("mlp", "ln2")}[kind]
        nth = 1 + sum(name.split("_")[0] == base for name, _ in self.places)
        suffix = "" if nth == 1 else f"_{nth}"
        name, norm = base + suffix, norm + suffix
        node = f"{self.node}.{name}"
        made = Attention(spec, options, node) if kind == "attention" else Mlp(spec, options)
        self.add_module(name, made)
        self.add_module(norm, make_norm(spec["norms"]["block"], spec["n_embd"], has_bias(spec)))
        self.places.append((name, norm))

    def forward(self, x: Tensor, drop: Dropout, first_row: int) -> Tensor:
        match self.wiring["order"]:
            case "sequential":
                return self.sequential(x, drop, first_row)
            case "parallel":
                return self.parallel(x, drop, first_row)
            case other:
                raise unknown("order", other)

    def sequential(self, x: Tensor, drop: Dropout, first_row: int) -> Tensor:
        for name, norm in self.places:
            norm_of = self.get_submodule(norm)
            match self.wiring["norm"]:
                case "before":
                    x = self.join(x, self.sublayer(name, norm_of(x), drop, first_row))
                case "after":
                    x = norm_of(self.join(x, self.sublayer(name, x, drop, first_row)))
                case other:
                    raise unknown("place of norm", other)
        return x

    def parallel(self, x: Tensor, drop: Dropout, first_row: int) -> Tensor:
        outputs = [
            self.sublayer(name, self.get_submodule(norm)(x), drop, first_row)
            for name, norm in self.places
        ]
        return self.join(x, sum(outputs[1:], outputs[0])) if outputs else x

    def sublayer(self, name: str, x: Tensor, drop: Dropout, first_row: int) -> Tensor:
        out = self.get_submodule(name)(x, drop, first_row)
        return drop.values(f"{self.node}.{name}.drop", out, self.p, first_row)

    def join(self, x: Tensor, out: Tensor) -> Tensor:
        match self.wiring["residual"]:
            case "add":
                return x + out
            case "none":
                return out
            case other:
                raise unknown("residual", other)


class GPT(nn.Module):
    """A model of the spec space. Call it with tokens [B, T]; it answers with logits [B, T, V]."""

    def __init__(self, spec: Spec, vocab_size: int) -> None:
        super().__init__()
        c, block_size, bias = spec["n_embd"], spec["block_size"], has_bias(spec)
        self.p = f32(spec["dropout"])
        self.position: str = spec["position"]
        self.tok_emb = nn.Embedding(vocab_size, c)
        if self.position == "learned":
            self.pos_emb = nn.Embedding(block_size, c)
        elif self.position not in ("none", "sinusoidal", "sinusoidal-scaled", "rotary", "alibi"):
            raise unknown("position", self.position)
        self.ln_emb = make_norm(spec["norms"]["embedding"], c, bias)
        self.blocks = nn.ModuleList(Block(spec, layer, i) for i, layer in enumerate(spec["layers"]))
        self.ln_f = make_norm(spec["norms"]["last"], c, bias)
        match spec["head"]:
            case "tied":
                self.lm_head = None
            case "untied":
                self.lm_head = nn.Linear(c, vocab_size, bias=False)
            case other:
                raise unknown("head", other)

    def forward(self, idx: Tensor, drop: Dropout = NoDropout(), first_row: int = 0) -> Tensor:
        x = self.ln_emb(self.embed(idx))
        x = drop.values("embed.drop", x, self.p, first_row)
        for block in self.blocks:
            x = block(x, drop, first_row)
        head = self.tok_emb.weight if self.lm_head is None else self.lm_head.weight
        return F.linear(self.ln_f(x), head)

    def embed(self, idx: Tensor) -> Tensor:
        """Token, plus position where positions are added."""
        x = self.tok_emb(idx)
        t = idx.shape[1]
        if self.position == "learned":
            return x + self.pos_emb.weight[:t]
        if self.position == "sinusoidal-scaled":
            x = x * f32(x.shape[2] ** 0.5)
        if self.position in ("sinusoidal", "sinusoidal-scaled"):
            return x + sinusoids(t, x.shape[2]).to(x)
        return x

    def loss(self, sequences: list[list[int]], drop: Dropout = NoDropout()) -> Tensor:
        """Mean cross-entropy (nats) over all tokens of sequences of any lengths.

        Each sequence of T + 1 tokens is T inputs and the T tokens that follow them.
        """
        logits, targets, first_row = [], [], 0
        for tokens in sequences:
            inputs = torch.tensor([tokens[:-1]])
            logits.append(self(inputs, drop, first_row)[0])
            targets += tokens[1:]
            first_row += inputs.shape[1]
        return F.cross_entropy(torch.cat(logits), torch.tensor(targets))


def initial_weights(spec: Spec, model: GPT, seed: int, jitter: float = 0.0) -> dict[str, Tensor]:
    """The laboratory's initial weights of `model` (see `ParamTable::initial`), in float32.

    Element i of the tensor called `name` draws n = N(0, 1) number i of the stream (seed,
    `init/<name>`, step 0). Matrices are std * n; gains are 1 + jitter * n and biases jitter * n, so
    that with `jitter` above 0 a forgotten gain or bias shows.
    """
    writes = sum(len(layer) for layer in spec["layers"])
    scaled = {"same": 1.0, "scaled": 1.0 / math.sqrt(max(writes, 1))}[spec["init"]["residual"]]
    std = f32(spec["init"]["std"])
    weights = {}
    for name, p in model.named_parameters():
        draws = Stream(seed, f"init/{name}").normal_at(np.arange(p.numel()))
        if p.dim() == 2:
            values = std * (scaled if "c_proj" in name else 1.0) * draws
        else:
            values = (0.0 if name.endswith("bias") else 1.0) + jitter * draws
        weights[name] = torch.from_numpy(values.astype(np.float32)).reshape(p.shape)
    return weights
