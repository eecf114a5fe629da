"""nanoGPT's laptop recipe in PyTorch, until its validation loss is at most a target: the peer of `gptlab bench --time-to-loss`.

    python bench/peers/time_to_loss.py --data tinyshakespeare.txt --target 1.92 --seed 0

The recipe (nanoGPT's README, "I only have a macbook"): 4 layers, 4 heads, width 128, context 64, batches of 12, 2,000 steps,
AdamW at 1e-3 falling by a cosine to 1e-4, 100 steps of warm-up, beta2 0.99, decay 0.1 of matrices, gradients clipped at 1, no
bias, no dropout; its published loss is 1.88 on sampled batches. Here the loss is over every prediction of the last tenth, in
windows of the context. PyTorch gets fused attention and a fused AdamW. Its clock stops while it validates.

It prints a line of JSON: `{"trained": {"program": "PyTorch 2.15.0", "seconds": 114.2, "loss": 1.9185}}` with `null` for the seconds if the
target was not reached, or `{"absent": "..."}` where PyTorch is not installed and `{"error": "..."}` where it cannot train.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from pathlib import Path

from turns import claim_stdout, say

try:
    import torch
    from torch import Tensor, nn
    from torch.nn import functional as F
except ModuleNotFoundError as missing:
    say(claim_stdout(), absent=f"{sys.executable} has no module {missing.name}")
    sys.exit()

WIDTH, HEADS, LAYERS, BLOCK, BATCH = 128, 4, 4, 64, 12
STEPS, WARMUP, HIGH, LOW = 2_000, 100, 1e-3, 1e-4


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = (nn.LayerNorm(WIDTH, bias=False) for _ in range(2))
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.attn_proj = nn.Linear(WIDTH, WIDTH, bias=False)
        self.fc = nn.Linear(WIDTH, 4 * WIDTH, bias=False)
        self.mlp_proj = nn.Linear(4 * WIDTH, WIDTH, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        b, t, _ = x.shape
        q, k, v = (
            z.view(b, t, HEADS, WIDTH // HEADS).transpose(1, 2)
            for z in self.qkv(self.ln_1(x)).split(WIDTH, dim=2)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.attn_proj(mixed.transpose(1, 2).reshape(b, t, WIDTH))
        return x + self.mlp_proj(F.gelu(self.fc(self.ln_2(x))))


class GPT(nn.Module):
    def __init__(self, vocab: int) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocab, WIDTH), nn.Embedding(BLOCK, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.ln_f = nn.LayerNorm(WIDTH, bias=False)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                nn.init.normal_(p, std=0.02 / math.sqrt(2 * LAYERS) if "proj" in name else 0.02)

    def forward(self, idx: Tensor) -> Tensor:
        x = self.wte(idx) + self.wpe.weight[: idx.shape[1]]
        for block in self.blocks:
            x = block(x)
        return F.linear(self.ln_f(x), self.wte.weight)


def rate(step: int) -> float:
    if step < WARMUP:
        return HIGH * (step + 1) / (WARMUP + 1)
    share = (step - WARMUP) / (STEPS - WARMUP)
    return LOW + 0.5 * (1 + math.cos(math.pi * share)) * (HIGH - LOW)


@torch.no_grad()
def validate(model: GPT, tokens: Tensor) -> float:
    """The mean over every prediction, in windows side by side."""
    n = (len(tokens) - 1) // BLOCK
    x, y = tokens[: n * BLOCK].view(n, BLOCK), tokens[1 : n * BLOCK + 1].view(n, BLOCK)
    total = sum(
        F.cross_entropy(model(a).flatten(0, 1), b.flatten(), reduction="sum").item()
        for a, b in zip(x.split(64), y.split(64))
    )
    rest = tokens[n * BLOCK :][None]
    if rest.shape[1] > 1:
        logits = model(rest[:, :-1])
        total += F.cross_entropy(logits.flatten(0, 1), rest[0, 1:], reduction="sum").item()
    return total / (len(tokens) - 1)


def pytorch(text: str, target: float, seed: int) -> tuple[float | None, float]:
    """Seconds of training until the loss is at most `target`, and the last loss."""
    torch.manual_seed(seed)
    ids = {c: i for i, c in enumerate(sorted(set(text)))}
    tokens = torch.tensor([ids[c] for c in text])
    cut = int(0.9 * len(tokens))
    train, val = tokens[:cut], tokens[cut:]
    model = GPT(len(ids))
    matrices = [p for p in model.parameters() if p.dim() == 2]
    gains = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": gains, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=HIGH, betas=(0.9, 0.99), fused=True)
    seconds, loss = 0.0, math.inf
    for step in range(STEPS):
        began = time.perf_counter()
        at = torch.randint(len(train) - BLOCK, (BATCH,))
        x = torch.stack([train[i : i + BLOCK] for i in at])
        y = torch.stack([train[i + 1 : i + BLOCK + 1] for i in at])
        for group in optimizer.param_groups:
            group["lr"] = rate(step)
        F.cross_entropy(model(x).flatten(0, 1), y.flatten()).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        seconds += time.perf_counter() - began
        if step >= STEPS // 2 and (step + 1) % 100 == 0:
            loss = validate(model, val)
            if loss <= target:
                return seconds, loss
    return None, loss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the text: Tiny Shakespeare")
    parser.add_argument("--target", type=float, default=1.92, help="the loss, in nats a token")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0, help="0: PyTorch's choice")
    args = parser.parse_args()
    out = claim_stdout()
    if args.threads:
        torch.set_num_threads(args.threads)
    try:
        text = args.data.read_text(encoding="utf-8")
        seconds, loss = pytorch(text, args.target, args.seed)
        program = f"PyTorch {torch.__version__.split('+')[0]}"
        say(out, trained={"program": program, "seconds": seconds, "loss": loss})
    except Exception as error:  # whatever it is, the other side has to hear of it
        said = str(error).strip().splitlines() or [""]
        say(out, error=f"{type(error).__name__}: {said[0]}")


if __name__ == "__main__":
    main()
