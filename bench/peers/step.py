"""Training steps of gpt2-mini's recipe in turns with `gptlab bench`, on the same tokens as its own.

It takes the switches of `seed_recipe.py`, whose model and step it runs, and a `--vocab-size`. A step
is everything from drawing the batch to the updated weights.

    echo 3 | python bench/peers/step.py --dropout 0 --attention sdpa --optimizer fused
"""

from __future__ import annotations

import argparse
from typing import Any

import turns

# As in crates/cli/src/commands/bench/work.rs.
SEED = 1
POOL = 1 << 16


def prepare() -> tuple[dict[str, Any], turns.Step]:
    """The model, and one step of its training."""
    import torch

    import seed_recipe as recipe

    args = parse_args(recipe.add_arguments)
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    tokens = torch.tensor(pool(args.vocab_size), dtype=torch.long)
    model = recipe.build(args, args.vocab_size)
    optimizer = recipe.make_optimizer(model, args)
    about = {
        "program": f"PyTorch {torch.__version__}",
        "threads": torch.get_num_threads(),
        "parameters": sum(p.numel() for p in model.parameters()),
    }
    return about, lambda: recipe.train_step(model, optimizer, tokens, args)


def pool(vocab_size: int) -> list[int]:
    """The tokens both sides draw their windows from."""
    import numpy as np

    from philox import Stream

    words = Stream(SEED, "bench/tokens").u64_at(np.arange(POOL))
    return [int(word) * vocab_size >> 64 for word in words]


def parse_args(add_arguments: Any) -> argparse.Namespace:
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--vocab-size", type=int, default=65)
    add_arguments(p)
    return p.parse_args()


if __name__ == "__main__":
    turns.serve(prepare)
