#!/usr/bin/env python3
"""Tells whether two builds of gptlab compute the same numbers, to the bit.

    bench/same_numbers.py OLD NEW        # compares two binaries; ends with 1 where a number differs
    bench/same_numbers.py OLD            # prints the SHA-256 of what one computes

Each line is one command of small size: both ancestors, every optimiser, both precisions, every architectural choice,
a grid, a sweep, a resumed run, sampled text and what a probe measures. Of a checkpoint the sum is over the names, shapes
and bytes of its tensors, and not over its metadata; of JSON it is over the values, without the keys in `LEFT_OUT`.
"""

import hashlib
import json
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

TINY = "--n-layer 2 --n-embd 32 --n-head 4 --block-size 32 --batch-size 4 --steps 12 --lr 1e-2"
# What a redesign may rename, add or say in better words, and no number.
LEFT_OUT = {"format", "version", "origin", "source", "seconds", "tokens_per_second", "needs", "formula", "range"}

RUNS = {
    "the whole recipe of `stories`": "--steps 6 --batch-size 2",
    "gpt2-mini, with dropout": "--preset gpt2-mini --steps 3 --batch-size 2",
    "the one-file model, documents": "--preset microgpt --data names --steps 20",
    "modern": "--preset modern --steps 3 --batch-size 2",
    "nanoGPT's recipe": "--preset nano --n-layer 1 --steps 2 --batch-size 2",
    "AdamW": f"{TINY} --optimizer adamw",
    "SGD": f"{TINY} --optimizer sgd",
    "Muon": f"{TINY} --optimizer muon",
    "bf16": f"{TINY} --precision bf16",
    "portable instructions": f"{TINY} --isa portable",
    "rotary positions": f"{TINY} --position rotary",
    "ALiBi": f"{TINY} --position alibi",
    "sinusoidal positions": f"{TINY} --position sinusoidal",
    "unscaled sines": f"{TINY} --position sinusoidal-unscaled",
    "no positions": f"{TINY} --position none",
    "grouped queries": f"{TINY} --n-kv-head 2",
    "post-norm": f"{TINY} --ln-style post",
    "parallel sublayers": f"{TINY} --order parallel",
    "no residual": f"{TINY} --disable-residual",
    "no attention": f"{TINY} --disable-attention",
    "no MLP": f"{TINY} --mlp none",
    "SwiGLU": f"{TINY} --gated --activation silu",
    "ReLU squared, RMSNorm": f"{TINY} --activation relu2 --norm rms-norm",
    "QK-norm and softcap": f"{TINY} --qk-norm --softcap 20",
    "all tokens seen": f"{TINY} --mask full",
    "untied, no bias": f"{TINY} --tied 0 --bias 0",
    "dropout": f"{TINY} --dropout 0.2",
    "documents longer than the context": f"{TINY} --data copy:size=20000 --tokenizer lines",
    "observed in full": f"{TINY} --observe full --log-interval 4",
}


def sha(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def checkpoint(path: pathlib.Path) -> str:
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    head = json.loads(data[8 : 8 + length])
    head.pop("__metadata__", None)
    return sha(json.dumps(head, sort_keys=True).encode() + data[8 + length :])


def kept(value):
    if isinstance(value, dict):
        return {k: kept(v) for k, v in value.items() if k not in LEFT_OUT}
    if isinstance(value, list):
        return [kept(v) for v in value]
    return value


def values(text: str) -> str:
    return sha(json.dumps(kept(json.loads(text)), sort_keys=True).encode())


class Build:
    """One binary and a folder of its own."""

    def __init__(self, program: str, folder: pathlib.Path):
        self.program = str(pathlib.Path(program).resolve())
        self.folder = folder

    def __call__(self, line: str) -> str:
        command = [self.program, *line.split()]
        ran = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
        if ran.returncode != 0:
            sys.exit(f"{self.program} {line}\n{ran.stderr}")
        return ran.stdout

    def newest(self, run: str) -> str:
        return checkpoint(max((self.folder / run / "checkpoints").glob("*.safetensors")))

    def events(self, run: str) -> str:
        """Losses, norms, samples and observations."""
        lines = (self.folder / run / "events.jsonl").read_text().splitlines()
        told = [json.loads(line) for line in lines]
        told = [event for event in told if event["event"] in ("step", "sample", "observation", "done")]
        return values(json.dumps(told))

    def results(self, grid: str) -> str:
        return values((self.folder / grid / "results.json").read_text())


def sums(build: Build):
    """What was computed, by name."""
    for i, (name, flags) in enumerate(RUNS.items()):
        build(f"train {flags} --max-tokens 20 --out run{i}")
        yield f"{name}: weights and moments", build.newest(f"run{i}")
        yield f"{name}: events", build.events(f"run{i}")
    build(f"train {TINY} --steps 6 --out half")
    build("train --resume half --steps 12")
    yield "gone on with after its end", build.newest("half")
    build(f"train {TINY} --checkpoint-interval 5 --out cut")
    (build.folder / "cut/checkpoints/step-00000012.safetensors").unlink()
    build("train --resume cut")
    yield "resumed after 10 of 12 steps", build.newest("cut")
    build(f"ablate --data copy:size=20000 {TINY} --seeds 2 --switches no-residual,no-attention,no-positions --out grid")
    yield "an ablation", build.results("grid")
    build("sweep --data copy:size=20000 --sizes tiny --steps 4 --seeds 2 --out sizes")
    yield "a sweep", build.results("sizes")
    build(f"train {TINY} --out asked --save m.safetensors")
    yield "one text", sha(build("generate m.safetensors --prompt the --max-tokens 60 --seed 3").encode())
    yield "many texts", sha(build("generate m.safetensors --samples 5 --max-tokens 30 --top-k 5 --seed 4").encode())
    yield "a loss over all", values(build("eval m.safetensors --json"))
    yield "a probe", values(build("probe m.safetensors --prompt the --json"))
    yield "n-gram baselines", values(build("floors --data copy:size=20000 --json"))
    yield "the one-file program", sha(build("micro --steps 50").encode())


def of(program: str) -> dict[str, str]:
    folder = pathlib.Path(tempfile.mkdtemp())
    try:
        return dict(sums(Build(program, folder)))
    finally:
        shutil.rmtree(folder)


def main(programs: list[str]) -> int:
    if not 1 <= len(programs) <= 2:
        sys.exit(__doc__)
    found = [of(program) for program in programs]
    differ = 0
    for name, first in found[0].items():
        same = all(other[name] == first for other in found)
        differ += not same
        print(f"{first[:16]}  {'' if same else 'DIFFERS  '}{name}")
    print(f"{len(found[0])} sums, {differ} of them differ" if len(found) == 2 else f"{len(found[0])} sums")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
