"""The model of gpt2-mini decoded with a cache of keys and values, in turns with `gptlab bench`.

A step continues `--batch-size` prompts of one token up to the context. Everything that a token would allocate is
allocated once, sampling is one addition and one argmax (Gumbel's trick on noise drawn ahead), and the
token never leaves its tensor. With `--bf16` weights, activations and cache are bfloat16 throughout.

    echo 3 | python bench/peers/generate.py --batch-size 1 --attention sdpa --threads 1
"""

from __future__ import annotations

import argparse
import math
from typing import Any

import turns


def prepare() -> tuple[dict[str, Any], turns.Step]:
    """The decoder, and one text of its own."""
    import torch
    from torch.nn import functional as F

    import seed_recipe as recipe

    args = parse_args(recipe.add_arguments)
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    model = recipe.GPT2Mini(args, args.vocab_size).eval().requires_grad_(False)
    kind = torch.bfloat16 if args.bf16 else torch.float32
    weights = {name: p.detach().to(kind) for name, p in model.named_parameters()}
    texts, heads, width, most = args.batch_size, args.n_head, args.n_embd, args.block_size
    size = width // heads
    keys = [torch.zeros(texts, heads, most, size, dtype=kind) for _ in range(args.n_layer)]
    values = [torch.zeros(texts, heads, most, size, dtype=kind) for _ in range(args.n_layer)]
    # The same memory as batched products take it.
    flat_keys, flat_values = ([z.flatten(0, 1) for z in cache] for cache in (keys, values))
    scale = 1.0 / math.sqrt(size)

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        return F.layer_norm(x, (width,), weights[f"{name}.weight"], weights.get(f"{name}.bias"))

    def linear(x: torch.Tensor, name: str) -> torch.Tensor:
        return F.linear(x, weights[f"{name}.weight"], weights.get(f"{name}.bias"))

    def attend(q: torch.Tensor, i: int, seen: int) -> torch.Tensor:
        """What queries of layer `i`, [texts, heads, size], find in the first `seen` positions."""
        if args.attention == "sdpa":
            k, v = keys[i][:, :, :seen], values[i][:, :, :seen]
            return F.scaled_dot_product_attention(q[:, :, None], k, v)
        q = q.reshape(texts * heads, 1, size)
        k, v = flat_keys[i][:, :seen], flat_values[i][:, :seen]
        weight = torch.baddbmm(q.new_empty(()), q, k.transpose(1, 2), beta=0, alpha=scale)
        return torch.bmm(weight.softmax(-1), v)

    def decode(token: torch.Tensor, position: int) -> torch.Tensor:
        """The logits after each text's `token`, [texts, vocab_size]."""
        x = weights["tok_emb.weight"][token] + weights["pos_emb.weight"][position]
        for i in range(args.n_layer):
            block = f"blocks.{i}"
            qkv = linear(norm(x, f"{block}.ln1"), f"{block}.attn.c_attn")
            q, k, v = qkv.view(texts, 3, heads, size).unbind(1)
            keys[i][:, :, position], values[i][:, :, position] = k, v
            mix = attend(q, i, position + 1).view(texts, width)
            x = x + linear(mix, f"{block}.attn.c_proj")
            hidden = F.gelu(linear(norm(x, f"{block}.ln2"), f"{block}.mlp.c_fc"))
            x = x + linear(hidden, f"{block}.mlp.c_proj")
        return F.linear(norm(x, "ln_f"), weights["tok_emb.weight"])

    @torch.inference_mode()
    def generate() -> list[list[int]]:
        noise = -torch.empty(most - 1, texts, args.vocab_size).exponential_().log_()
        tokens = torch.zeros(most, texts, dtype=torch.long)
        for position in range(most - 1):
            logits = decode(tokens[position], position)
            tokens[position + 1] = (logits + noise[position]).argmax(dim=1)
        return tokens.tolist()

    about = {
        "program": f"PyTorch {torch.__version__}",
        "threads": torch.get_num_threads(),
        "parameters": sum(w.numel() for w in weights.values()),
    }
    return about, generate


def parse_args(add_arguments: Any) -> argparse.Namespace:
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--vocab-size", type=int, default=65)
    add_arguments(p)
    return p.parse_args()


if __name__ == "__main__":
    turns.serve(prepare)
