"""Reads a gptlab checkpoint with PyTorch's own tools and prints its loss on a text's first window.

    python bench/peers/check_checkpoint.py model.safetensors text.txt

The tensors go through `safetensors.torch.load_file` and `load_state_dict(strict=True)` into `gpt.py`'s
model; nothing of gptlab runs. The window is what one context holds: the first `block_size` + 1
characters, or the first line between two document marks. `gptlab eval` on a file of only those
characters must print the same loss.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file

from gpt import GPT

MOMENTS = "adam."  # AdamW's moments are stored beside the weights under names that begin with this


def read_header(path: Path) -> dict[str, Any]:
    """The one metadata key: spec, tokenizer, step, ..."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
    if "gptlab" not in metadata:
        sys.exit(f"{path}: expected the metadata key 'gptlab', found {sorted(metadata)}")
    return json.loads(metadata["gptlab"])


def vocab_size(tokenizer: dict[str, Any]) -> int:
    """A token for each character, and one for document ends where text is cut into lines."""
    return len(tokenizer["chars"]) + (tokenizer["kind"] == "lines")


def first_window(tokenizer: dict[str, Any], text: str, block_size: int) -> list[int]:
    """Tokens of the first window: as many predictions as fit one context."""
    ids = {character: i for i, character in enumerate(tokenizer["chars"])}
    match tokenizer["kind"]:
        case "chars":
            piece, mark = text[: block_size + 1], []
        case "lines":
            lines = text.replace("\r", "\n").split("\n")
            piece = next((line.strip() for line in lines if line.strip()), "")
            mark = [len(ids)]
        case other:
            sys.exit(f"unknown kind of tokenizer: {other!r}")
    unknown = sorted(set(piece) - set(ids))
    if unknown:
        sys.exit(f"the tokenizer does not know {unknown}")
    return [*mark, *(ids[character] for character in piece), *mark][: block_size + 1]


def load_model(path: Path, header: dict[str, Any], dtype: torch.dtype) -> GPT:
    """The checkpoint's model; fails where a tensor is missing, left over or of another shape."""
    tensors = load_file(path)
    weights = {name: t for name, t in tensors.items() if not name.startswith(MOMENTS)}
    model = GPT(header["spec"], vocab_size(header["tokenizer"]))
    model.load_state_dict(weights, strict=True)
    return model.to(dtype).eval()


def main() -> None:
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("checkpoint", type=Path)
    p.add_argument("text", type=Path)
    p.add_argument("--double", action="store_true", help="compute in float64")
    args = p.parse_args()
    header = read_header(args.checkpoint)
    model = load_model(args.checkpoint, header, torch.float64 if args.double else torch.float32)
    text = args.text.read_text(encoding="utf-8")
    tokens = first_window(header["tokenizer"], text, header["spec"]["block_size"])
    if len(tokens) < 2:
        sys.exit(f"{args.text}: nothing to predict")
    with torch.no_grad():
        loss = model.loss([tokens]).item()
    count = sum(parameter.numel() for parameter in model.parameters())
    print(f"{count} parameters | step {header['step']} | {len(tokens) - 1} predictions")
    print(f"loss {loss:.6f} nats/token")


if __name__ == "__main__":
    main()
