"""The training program of gpt2-mini as an ordinary PyTorch user writes it: the benchmark peer.

gpt2-mini (4 layers, 4 heads, width 128, context 256, characters) on a text file, with its
experiment switches, its optimiser and its schedule. Eager by default, because that is what it
runs; the switches `--attention sdpa --optimizer fused --bf16` give PyTorch its best.

    python bench/peers/seed_recipe.py input.txt --steps 100
"""

from __future__ import annotations

import argparse
import math
import resource
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class CausalSelfAttention(nn.Module):
    """Multi-head attention by hand, or PyTorch's fused one."""

    def __init__(self, args: argparse.Namespace) -> None:
        super().__init__()
        self.n_head, self.fused, self.p = args.n_head, args.attention == "sdpa", args.dropout
        self.c_attn = nn.Linear(args.n_embd, 3 * args.n_embd, bias=args.bias)
        self.c_proj = nn.Linear(args.n_embd, args.n_embd, bias=args.bias)
        self.attn_drop = nn.Dropout(args.dropout)
        self.resid_drop = nn.Dropout(args.dropout)
        mask = torch.tril(torch.ones(args.block_size, args.block_size, dtype=torch.bool))
        self.register_buffer("causal_mask", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        b, t, c = x.shape
        q, k, v = (
            z.view(b, t, self.n_head, c // self.n_head).transpose(1, 2)
            for z in self.c_attn(x).split(c, dim=2)
        )
        if self.fused:
            p = self.p if self.training else 0.0
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=p)
        else:
            att = (q @ k.transpose(-2, -1)) / math.sqrt(k.size(-1))
            att = att.masked_fill(~self.causal_mask[:t, :t], float("-inf"))
            y = self.attn_drop(F.softmax(att, dim=-1)) @ v
        y = y.transpose(1, 2).contiguous().view(b, t, c)
        return self.resid_drop(self.c_proj(y))


class MLP(nn.Module):
    """Up, GELU, down."""

    def __init__(self, args: argparse.Namespace) -> None:
        super().__init__()
        self.c_fc = nn.Linear(args.n_embd, 4 * args.n_embd, bias=args.bias)
        self.gelu = nn.GELU(approximate=args.gelu)
        self.c_proj = nn.Linear(4 * args.n_embd, args.n_embd, bias=args.bias)
        self.drop = nn.Dropout(args.dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.drop(self.c_proj(self.gelu(self.c_fc(x))))


class Block(nn.Module):
    """One block under the switches of gpt2-mini."""

    def __init__(self, args: argparse.Namespace) -> None:
        super().__init__()
        self.residual, self.pre = not args.disable_residual, args.ln_style == "pre"
        self.use_attention = not args.disable_attention
        if self.use_attention:
            self.ln1 = nn.LayerNorm(args.n_embd, bias=args.bias)
            self.attn = CausalSelfAttention(args)
        self.ln2 = nn.LayerNorm(args.n_embd, bias=args.bias)
        self.mlp = MLP(args)

    def forward(self, x: Tensor) -> Tensor:
        if self.use_attention:
            x = self.sublayer(x, self.ln1, self.attn)
        return self.sublayer(x, self.ln2, self.mlp)

    def sublayer(self, x: Tensor, norm: nn.Module, f: nn.Module) -> Tensor:
        out = f(norm(x)) if self.pre else f(x)
        out = x + out if self.residual else out
        return out if self.pre else norm(out)


class GPT2Mini(nn.Module):
    """The model of gpt2-mini: learned positions, tied head."""

    def __init__(self, args: argparse.Namespace, vocab_size: int) -> None:
        super().__init__()
        self.tok_emb = nn.Embedding(vocab_size, args.n_embd)
        self.pos_emb = nn.Embedding(args.block_size, args.n_embd)
        self.drop = nn.Dropout(args.dropout)
        self.blocks = nn.ModuleList(Block(args) for _ in range(args.n_layer))
        self.ln_f = nn.LayerNorm(args.n_embd, bias=args.bias)
        self.lm_head = nn.Linear(args.n_embd, vocab_size, bias=False)
        self.lm_head.weight = self.tok_emb.weight
        self.apply(init_weights)

    def forward(self, idx: Tensor, targets: Tensor) -> Tensor:
        positions = torch.arange(idx.size(1), device=idx.device)
        x = self.drop(self.tok_emb(idx) + self.pos_emb(positions))
        for block in self.blocks:
            x = block(x)
        logits = self.lm_head(self.ln_f(x))
        return F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1))


def init_weights(module: nn.Module) -> None:
    """N(0, 0.02) for matrices and embeddings, zero biases."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, mean=0.0, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)


def build(args: argparse.Namespace, vocab_size: int) -> nn.Module:
    """The model where it will run, compiled where asked for."""
    model = GPT2Mini(args, vocab_size).to(args.device)
    # A compiled module is a module, though `torch.compile` promises no more than a callable.
    return cast(nn.Module, torch.compile(model)) if args.compile else model


def learning_rate(args: argparse.Namespace, step: int) -> float:
    """Linear from 0 over min(100, steps / 10) steps, then half a cosine down to 0."""
    warmup = min(100, args.steps // 10)
    if step < warmup:
        return args.learning_rate * step / warmup
    progress = (step - warmup) / max(1, args.steps - warmup)
    return 0.5 * args.learning_rate * (1.0 + math.cos(math.pi * progress))


def load_tokens(path: Path) -> tuple[Tensor, int]:
    """The file's characters as numbers, and how many kinds there are."""
    text = path.read_text(encoding="utf-8")
    ids = {character: i for i, character in enumerate(sorted(set(text)))}
    return torch.tensor([ids[character] for character in text], dtype=torch.long), len(ids)


def get_batch(tokens: Tensor, args: argparse.Namespace) -> tuple[Tensor, Tensor]:
    """Random windows and the same windows one character on."""
    t = args.block_size
    starts = torch.randint(len(tokens) - t, (args.batch_size,)).tolist()
    x = torch.stack([tokens[s : s + t] for s in starts])
    y = torch.stack([tokens[s + 1 : s + t + 1] for s in starts])
    return x.to(args.device), y.to(args.device)


def precision(args: argparse.Namespace) -> AbstractContextManager[object]:
    """bf16 autocast where asked for."""
    return torch.autocast(args.device, dtype=torch.bfloat16) if args.bf16 else nullcontext()


def train_step(
    model: nn.Module, optimizer: torch.optim.Optimizer, tokens: Tensor, args: argparse.Namespace
) -> tuple[float, float]:
    """Loss and gradient norm of one step."""
    x, y = get_batch(tokens, args)
    with precision(args):
        loss = model(x, y)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), args.grad_clip)
    optimizer.step()
    return loss.item(), norm.item()


def make_optimizer(model: nn.Module, args: argparse.Namespace) -> torch.optim.Optimizer:
    """The AdamW of gpt2-mini."""
    return torch.optim.AdamW(
        model.parameters(),
        lr=args.learning_rate,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=args.weight_decay,
        foreach=args.optimizer == "foreach",
        fused=args.optimizer == "fused",
    )


def train(model: nn.Module, tokens: Tensor, args: argparse.Namespace) -> None:
    """The loop, a line every `--log-every` steps, and tokens/s without the first steps."""
    optimizer = make_optimizer(model, args)
    begun, warm = time.perf_counter(), min(args.untimed, args.steps - 1)
    timed_from = begun
    for step in range(args.steps):
        if step == warm:
            timed_from = time.perf_counter()
        lr = learning_rate(args, step)
        for group in optimizer.param_groups:
            group["lr"] = lr
        loss, norm = train_step(model, optimizer, tokens, args)
        if step % args.log_every == 0 or step == args.steps - 1:
            elapsed = time.perf_counter() - begun
            print(
                f"step {step:5d} | loss {loss:.4f} | grad_norm {norm:.4f} "
                f"| lr {lr:.2e} | time {elapsed:.1f}s",
                flush=True,
            )
    report_speed(time.perf_counter() - timed_from, args.steps - warm, args)


def report_speed(seconds: float, steps: int, args: argparse.Namespace) -> None:
    per_step = args.batch_size * args.block_size
    print(f"{per_step * steps / seconds:.0f} tokens/s | {1000 * seconds / steps:.1f} ms/step")


@torch.no_grad()
def validation_loss(model: nn.Module, tokens: Tensor, args: argparse.Namespace) -> float:
    """Mean loss over the held-out text's windows, none overlapping, no dropout."""
    model.eval()
    t = args.block_size
    losses = []
    for start in range(0, len(tokens) - t, t):
        x, y = tokens[start : start + t], tokens[start + 1 : start + t + 1]
        losses.append(model(x[None].to(args.device), y[None].to(args.device)).item())
    model.train()
    return sum(losses) / len(losses)


def peak_rss_mib() -> float:
    """The most memory the process held (`ru_maxrss`: bytes on macOS, KiB elsewhere)."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def add_arguments(p: argparse.ArgumentParser) -> None:
    """The recipe's switches, which `step.py` shares."""
    p.add_argument("--steps", type=int, default=2000)
    p.add_argument("--batch-size", type=int, default=32)
    p.add_argument("--block-size", type=int, default=256)
    p.add_argument("--n-layer", type=int, default=4)
    p.add_argument("--n-head", type=int, default=4)
    p.add_argument("--n-embd", type=int, default=128)
    p.add_argument("--no-bias", dest="bias", action="store_false", help="as nanoGPT's recipe")
    p.add_argument("--gelu", choices=["none", "tanh"], default="none", help="approximation")
    p.add_argument("--dropout", type=float, default=0.1)
    p.add_argument("--learning-rate", type=float, default=3e-4)
    p.add_argument("--weight-decay", type=float, default=0.1)
    p.add_argument("--grad-clip", type=float, default=1.0)
    p.add_argument("--seed", type=int, default=1337)
    p.add_argument("--val-fraction", type=float, default=0.0, help="the text's end, held out")
    p.add_argument("--disable-residual", action="store_true")
    p.add_argument("--disable-attention", action="store_true")
    p.add_argument("--ln-style", choices=["pre", "post"], default="pre")
    p.add_argument("--attention", choices=["eager", "sdpa"], default="eager")
    p.add_argument("--optimizer", choices=["foreach", "fused"], default="foreach")
    p.add_argument("--bf16", action="store_true", help="autocast to bfloat16")
    p.add_argument("--compile", action="store_true", help="torch.compile")
    p.add_argument("--threads", type=int, default=0, help="0: PyTorch's choice")
    p.add_argument("--device", default="cpu", help="cpu, cuda or mps")
    p.add_argument("--log-every", type=int, default=10)
    p.add_argument("--untimed", type=int, default=5, help="first steps left out of tokens/s")


def parse_args() -> argparse.Namespace:
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("data", type=Path, help="a text file")
    add_arguments(p)
    return p.parse_args()


def main() -> None:
    args = parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    tokens, vocab_size = load_tokens(args.data)
    held_out = int(len(tokens) * args.val_fraction)
    if len(tokens) - held_out <= args.block_size:
        sys.exit(f"{args.data}: {len(tokens)} characters are too few for --block-size")
    model = build(args, vocab_size)
    count = sum(p.numel() for p in model.parameters())
    print(f"{count} parameters | vocab {vocab_size} | torch {torch.__version__}", flush=True)
    train(model, tokens[: len(tokens) - held_out], args)
    if held_out > args.block_size:
        print(f"val_loss {validation_loss(model, tokens[-held_out:], args):.4f}")
    print(f"peak RSS {peak_rss_mib():.0f} MiB")


if __name__ == "__main__":
    main()
