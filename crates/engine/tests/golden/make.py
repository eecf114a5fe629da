"""Makes the PyTorch goldens beside this file; `tests/golden.rs` holds every engine to them.

    pip install -r bench/peers/requirements.txt
    python crates/engine/tests/golden/make.py            # all of them, a minute
    python crates/engine/tests/golden/make.py --only one-rotary mix-03

Each golden is one JSON file: a spec, a seed for its weights, batches, and what PyTorch computes from
them with `bench/peers/gpt.py` in float64 ("double") and in float32 ("single"), and how far the float64
numbers sway when the weights are nudged by a float32's last bit ("sway"):

- mean loss, global gradient norm, and every parameter's gradient on one ragged batch, with dropout
  masks from the laboratory's own streams where the spec has dropout; the loss without dropout;
- the losses and gradient norms of 20 AdamW steps with clipping, and the weights they end in.

Both sides begin from the same float32 weights: std * n for matrices, 1 + 0.1 n for gains and 0.1 n for
biases, where n is N(0, 1) number i of the stream (seed, "init/<name>", 0): see `initial_weights`.
`weights_fnv1a_64` is FNV-1a over their little-endian bytes, tensor after tensor by sorted name.

A sequence of T + 1 tokens is T inputs and T targets. Doubles are kept to 9 digits in gradients and
weights, and to the last digit in losses and norms; singles to the last digit everywhere.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[3] / "bench" / "peers"))

from gpt import GPT, PhiloxDropout, Spec, initial_weights  # noqa: E402
from philox import Stream, check_published, fnv1a_32  # noqa: E402

VOCAB = 11
JITTER = 0.1
STEPS = 20
MIXED = 20
NOISE = 2.0**-23  # of the largest gradient: what float32 may make of a zero
STEADY = 2e-5  # how far float32's training losses, or nudged ones, may be from float64's, relatively
NUDGES = 3  # how often weights are nudged to see how far the numbers sway
SAMPLED = 48  # gradient entries kept of each tensor that is too large to keep whole
Tensors = dict[str, Tensor]

# --- the specs -------------------------------------------------------------------------------------


def attention(**options: Any) -> Spec:
    """Causal attention of two heads, changed by `options`."""
    base = {"heads": 2, "kv_heads": 2, "mask": "causal", "scale": "inverse-sqrt"}
    return {"attention": {**base, "qk_norm": "none", "softcap": None, **options}}


def mlp(hidden: int = 12, form: str = "plain", activation: str = "gelu-erf") -> Spec:
    return {"mlp": {"hidden": hidden, "form": {form: activation}}}


def base() -> Spec:
    """gpt2-mini in small. Weights are larger than usual, so that no part is nearly linear."""
    return {
        "block_size": 9,
        "n_embd": 8,
        "position": "learned",
        "norms": {"embedding": "none", "block": "layer-norm", "last": "layer-norm"},
        "wiring": {"norm": "before", "residual": "add", "order": "sequential"},
        "layers": [[attention(), mlp()], [attention(), mlp()]],
        "head": "tied",
        "bias": "everywhere",
        "dropout": 0.0,
        "init": {"std": 0.4, "residual": "same"},
    }


def with_attention(**options: Any) -> Spec:
    """The base with other attention in both blocks."""
    return {"layers": [[attention(**options), mlp()]] * 2}


def with_mlp(form: str, activation: str) -> Spec:
    return {"layers": [[attention(), mlp(12, form, activation)]] * 2}


ACTIVATIONS = ["gelu-erf", "gelu-tanh", "relu", "relu-squared", "silu"]
NORMS = ["none", "layer-norm", "rms-norm", "rms-norm-no-gain"]
POSITIONS = ["none", "learned", "sinusoidal", "rotary", "alibi"]


def switches() -> dict[str, Spec]:
    """What each single switch changes in the base."""
    changes: dict[str, Spec] = {"base": {}}
    changes |= {f"position-{p}": {"position": p} for p in POSITIONS if p != "learned"}
    # Vaswani et al. 2017: embeddings times the root of the width. Files call the unscaled sines
    # `sinusoidal`.
    changes |= {"position-sinusoidal-scaled": {"position": "sinusoidal-scaled"}}
    for place in ("embedding", "block", "last"):
        kept = base()["norms"][place]
        changes |= {f"norm-{place}-{n}": {"norms": {place: n}} for n in NORMS if n != kept}
    changes |= {
        "post-norm": {"wiring": {"norm": "after"}},
        "no-residual": {"wiring": {"residual": "none"}},
        "parallel": {"wiring": {"order": "parallel"}},
        "no-attention": {"layers": [[mlp()], [mlp()]]},
        "no-mlp": {"layers": [[attention()], [attention()]]},
        "mlp-first": {"layers": [[mlp(), attention()], [mlp(), attention()]]},
        "two-of-a-kind": {"layers": [[attention(), mlp(), attention(), mlp()]]},
        "unlike-layers": {"layers": [[attention(heads=4, kv_heads=2), mlp(8)], [mlp(16)], []]},
        "no-layers": {"layers": []},
        "one-head": with_attention(heads=1, kv_heads=1),
        "heads-of-one": with_attention(heads=8, kv_heads=8),
        "grouped-query": with_attention(heads=4, kv_heads=2),
        "multi-query": with_attention(heads=4, kv_heads=1),
        "mask-full": with_attention(mask="full"),
        # In a window of one, the gradients of queries and keys are 0, and AdamW divides rounding
        # errors by themselves.
        "window-two": with_attention(window=2),
        "window-three": with_attention(window=3),
        "scale-one": with_attention(scale="one"),
        "qk-norm": with_attention(qk_norm="rms-norm"),
        "softcap": with_attention(softcap=0.8),
        "alibi-three-heads": {
            "n_embd": 12,
            "position": "alibi",
            **with_attention(heads=3, kv_heads=3),
        },
        "head-untied": {"head": "untied"},
        "bias-nowhere": {"bias": "nowhere"},
        "dropout": {"dropout": 0.1},
        "dropout-half": {"dropout": 0.5},
        "init-scaled": {"init": {"residual": "scaled"}},
        "init-small": {"init": {"std": 0.02}},
    }
    changes |= {f"mlp-{a}": with_mlp("plain", a) for a in ACTIVATIONS[1:]}
    changes |= {f"gated-{a}": with_mlp("gated", a) for a in ACTIVATIONS}
    return changes


def changed(spec: Spec, change: Spec) -> Spec:
    """`spec` with the entries of `change`, one level deep."""
    out = copy.deepcopy(spec)
    for key, value in copy.deepcopy(change).items():
        out[key] = {**out[key], **value} if isinstance(value, dict) else value
    return out


class Chooser:
    """Draws one after the other from a named stream."""

    def __init__(self, seed: int, purpose: str, step: int = 0) -> None:
        self.stream, self.next = Stream(seed, purpose, step), 0

    def below(self, n: int) -> int:
        self.next += 1
        return self.stream.below_at(self.next - 1, n)

    def of(self, options: list[Any]) -> Any:
        return options[self.below(len(options))]


def mixed_spec(c: Chooser) -> Spec:
    """A point of the whole space; only what `check` refuses is left out."""
    width, position = c.of([8, 8, 12]), c.of(POSITIONS)
    order = c.of(["sequential", "sequential", "parallel"])
    return {
        "block_size": 9,
        "n_embd": width,
        "position": position,
        "norms": {place: c.of(NORMS) for place in ("embedding", "block", "last")},
        "wiring": {
            "norm": "before" if order == "parallel" else c.of(["before", "after"]),
            "residual": c.of(["add", "add", "none"]),
            "order": order,
        },
        "layers": [mixed_layer(c, width, position) for _ in range(2)],
        "head": c.of(["tied", "untied"]),
        "bias": c.of(["everywhere", "nowhere"]),
        "dropout": c.of([0.0, 0.1, 0.25]),
        "init": {"std": c.of([0.2, 0.4]), "residual": c.of(["same", "scaled"])},
    }


def mixed_layer(c: Chooser, width: int, position: str) -> list[Spec]:
    kinds = c.of(["am", "am", "am", "ma", "a", "m", "amm", "aa"])
    made = {
        "a": lambda: mixed_attention(c, width, position),
        "m": lambda: mlp(c.of([8, 12]), c.of(["plain", "gated"]), c.of(ACTIVATIONS)),
    }
    return [made[kind]() for kind in kinds]


def mixed_attention(c: Chooser, width: int, position: str) -> Spec:
    even = 2 if position == "rotary" else 1
    heads = c.of([h for h in (1, 2, 3, 4, 6) if width % (h * even) == 0])
    return attention(
        heads=heads,
        kv_heads=c.of([k for k in (1, 2, 3, 4, 6) if heads % k == 0]),
        mask=c.of(["causal", "causal", "full"]),
        scale=c.of(["inverse-sqrt", "one"]),
        qk_norm=c.of(["none", "rms-norm"]),
        softcap=c.of([None, None, 0.8, 2.0]),
    )


# --- batches and steps -----------------------------------------------------------------------------


def sequence(c: Chooser, length: int, vocab: int) -> list[int]:
    """`length` + 1 tokens: a rule that can be learned, broken one time in four."""
    tokens = [c.below(vocab)]
    while len(tokens) <= length:
        tokens.append((3 * tokens[-1] + 1) % vocab if c.below(4) else c.below(vocab))
    return tokens


def ragged(c: Chooser, step: int) -> list[list[int]]:
    """Three sequences, one of length 1, at a place that moves."""
    lengths = [1, 2 + c.below(4), 6 + c.below(4)]
    turn = step % 3
    return [sequence(c, length, VOCAB) for length in lengths[turn:] + lengths[:turn]]


def recipe() -> Spec:
    """The seed's optimiser."""
    return {
        "beta1": 0.9,
        "beta2": 0.999,
        "eps": 1e-8,
        "weight_decay": 0.1,
        "decay": "everything",
        "grad_clip": 1.0,
    }


def mixed_recipe(c: Chooser) -> Spec:
    changes = {
        "beta2": c.of([0.95, 0.999]),
        "decay": c.of(["everything", "matrices"]),
        "grad_clip": c.of([None, 0.5, 1.0]),
    }
    return recipe() | changes


def learning_rates(steps: int, peak: float) -> list[float]:
    """Linear from 0, then half a cosine: the seed's schedule."""
    warmup = steps // 10
    rise = [peak * step / warmup for step in range(warmup)]
    angle = [math.pi * i / (steps - warmup) for i in range(steps - warmup)]
    return rise + [0.5 * peak * (1.0 + math.cos(a)) for a in angle]


def make_optimizer(model: GPT, hyper: Spec) -> torch.optim.Optimizer:
    matrices = [p for p in model.parameters() if p.dim() == 2]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    on_vectors = {"everything": hyper["weight_decay"], "matrices": 0.0}[hyper["decay"]]
    return torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": hyper["weight_decay"]},
            {"params": vectors, "weight_decay": on_vectors},
        ],
        betas=(hyper["beta1"], hyper["beta2"]),
        eps=hyper["eps"],
    )


# --- what PyTorch says -----------------------------------------------------------------------------


def fresh_model(golden: Spec, dtype: torch.dtype) -> GPT:
    """The golden's model at its initial weights."""
    model = GPT(golden["spec"], golden["vocab_size"])
    model.load_state_dict(initial_weights(golden["spec"], model, golden["seed"], JITTER))
    return model.to(dtype)


def masks(golden: Spec, step: int) -> PhiloxDropout:
    return PhiloxDropout(golden["noise"]["seed"], step)


def nudged_model(golden: Spec, nudge: int) -> GPT:
    """The float64 model, each weight moved by -1, 0 or 1 in about its last float32 bit."""
    model = fresh_model(golden, torch.float64)
    for name, p in model.named_parameters():
        draws = Stream(golden["seed"], f"golden/nudge/{name}", nudge).u64_at(np.arange(p.numel()))
        moves = torch.from_numpy((draws % np.uint64(3)).astype(np.float64) - 1.0).reshape(p.shape)
        p.data *= 1.0 + moves * 2.0**-23
    return model


def gradients(golden: Spec, model: GPT) -> tuple[Spec, Tensors]:
    """Losses, norm and all gradients on the golden's batch."""
    loss = model.loss(golden["batch"], masks(golden, golden["noise"]["step"]))
    loss.backward()
    grads = {name: p.grad for name, p in model.named_parameters()}
    with torch.no_grad():
        evaluated = model.loss(golden["batch"])
    norm = nn.utils.get_total_norm(grads.values())
    return {"loss": exact(loss), "eval_loss": exact(evaluated), "grad_norm": exact(norm)}, grads


def train(golden: Spec, model: GPT) -> tuple[Spec, Tensors, Tensors]:
    """Losses and gradient norms of every step; weights after the last; the largest gradients."""
    hyper = golden["train"]["hyper"]
    optimizer = make_optimizer(model, hyper)
    losses, norms = [], []
    largest = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    for step, batch in enumerate(golden["train"]["batches"]):
        for group in optimizer.param_groups:
            group["lr"] = golden["train"]["lrs"][step]
        optimizer.zero_grad()
        loss = model.loss(batch, masks(golden, step))
        loss.backward()
        clip = math.inf if hyper["grad_clip"] is None else hyper["grad_clip"]
        norms.append(exact(nn.utils.clip_grad_norm_(model.parameters(), clip)))
        optimizer.step()
        losses.append(exact(loss))
        for name, p in model.named_parameters():
            largest[name] = torch.maximum(largest[name], p.grad.abs())
    weights = {name: p.detach() for name, p in model.named_parameters()}
    return {"losses": losses, "grad_norms": norms}, weights, largest


def adrift(largest: Tensors) -> dict[str, list[int]]:
    """Entries whose gradient is never more than float32's rounding of the largest gradient.

    Most are zero in exact arithmetic: a key's bias adds the same to all scores of a query, and the
    softmax does not see it. AdamW divides such a gradient by its own size, so the entry wanders with
    the rounding noise, by up to the learning rate a step, without any effect on the loss. No engine can
    be held to where it ends.
    """
    noise = NOISE * max(g.max().item() for g in largest.values())
    found = {}
    for name, g in largest.items():
        indices = torch.nonzero(((g > 0) & (g < noise)).flatten()).flatten().tolist()
        if indices:
            found[name] = indices
    return found


def fnv1a_64(weights: Tensors) -> str:
    """FNV-1a of the float32 bytes of all tensors by sorted name, in hex."""
    data = b"".join(weights[name].numpy().astype("<f4").tobytes() for name in sorted(weights))
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


# --- goldens ---------------------------------------------------------------------------------------


def exact(x: Tensor) -> float:
    """A number that reads back as itself in its own precision."""
    x = x.detach()
    return x.item() if x.dtype == torch.float64 else float(str(x.numpy()))


def numbers(x: Tensor) -> list[float]:
    """A tensor's numbers: doubles to 9 digits, singles exactly."""
    flat = x.detach().flatten()
    if flat.dtype == torch.float64:
        return [float(f"{v:.9g}") for v in flat.tolist()]
    return [float(str(v)) for v in flat.numpy()]


def off(found: Tensors, double: Tensors, adrift: dict[str, list[int]]) -> dict[str, float]:
    """How far each tensor's worst number is from float64's, leaving out those adrift."""
    worst = {}
    for name in double:
        difference = (found[name].double() - double[name]).abs().flatten()
        difference[adrift.get(name, [])] = 0.0
        worst[name] = difference.max().item()
    return worst


def farther(a: Any, b: Any) -> Any:
    """The larger of two distances, or of each of two like dictionaries of them, to 3 digits."""
    if isinstance(a, dict):
        return {key: farther(a[key], b[key]) for key in a}
    return float(f"{max(a, b):.3g}")


def distance(found: Spec, double: Spec) -> Spec:
    """How far numbers of the same names are apart; lists by their worst."""
    return {k: float(np.abs(np.subtract(found[k], double[k])).max()) for k in double}


def sway_of_gradients(golden: Spec, double: Spec, grads: Tensors) -> Spec:
    """How far the numbers of one pass move when the weights are nudged."""
    worst = None
    norms = {n: exact(g.norm()) for n, g in grads.items()}
    for nudge in range(NUDGES):
        found, found_grads = gradients(golden, nudged_model(golden, nudge))
        found_norms = {n: exact(g.norm()) for n, g in found_grads.items()}
        far = distance(found, double) | {
            "grad_norms": distance(found_norms, norms),
            "grads": off(found_grads, grads, {}),
        }
        worst = farther(far, worst or far)
    return worst


def sway_of_training(golden: Spec, double: Spec, weights: Tensors, at_sea: Spec) -> Spec:
    """The same of a training run."""
    worst = None
    for nudge in range(NUDGES):
        found, found_weights, _ = train(golden, nudged_model(golden, nudge))
        far = distance(found, double) | {"weights": off(found_weights, weights, at_sea)}
        worst = farther(far, worst or far)
    return worst


def outline(name: str, spec: Spec, hyper: Spec) -> Spec:
    """A golden's inputs: its seed is its name's, so that adding one leaves the others alone."""
    seed = fnv1a_32(name)
    c = Chooser(seed, "golden/batches")
    return {
        "name": name,
        "made_by": f"make.py with torch {torch.__version__.split('+')[0]}",
        "spec": spec,
        "vocab_size": VOCAB,
        "seed": seed,
        "jitter": JITTER,
        "noise": {"seed": seed + 1, "step": 5},
        "batch": ragged(c, 2),
        "train": {
            "hyper": hyper,
            "lrs": learning_rates(STEPS, 0.01),
            "batches": [ragged(c, step) for step in range(STEPS)],
        },
    }


def add_gradients(golden: Spec, keep: Callable[[str, Tensor], Tensor]) -> None:
    """Adds both precisions of one pass, with what `keep` leaves of each gradient."""
    weights = dict(fresh_model(golden, torch.float32).named_parameters())
    golden["weights_fnv1a_64"] = fnv1a_64({n: w.detach() for n, w in weights.items()})
    for key, dtype in (("double", torch.float64), ("single", torch.float32)):
        golden[key], grads = gradients(golden, fresh_model(golden, dtype))
        if key == "double":
            golden["sway"] = sway_of_gradients(golden, golden[key], grads)
        golden[key]["grad_norms"] = {n: exact(g.norm()) for n, g in grads.items()}
        golden[key]["grads"] = {n: numbers(keep(n, g)) for n, g in grads.items()}


def small(name: str, spec: Spec, hyper: Spec) -> Spec:
    """A golden that keeps every number."""
    golden = outline(name, spec, hyper)
    add_gradients(golden, lambda _, g: g)
    for key in ("double", "single", "sway"):
        del golden[key]["grad_norms"]  # of tensors: all their numbers are there
    double, weights, largest = train(golden, fresh_model(golden, torch.float64))
    single, single_weights, _ = train(golden, fresh_model(golden, torch.float32))
    at_sea = adrift(largest)
    sway = sway_of_training(golden, double, weights, at_sea)
    double["weights"] = {n: numbers(w) for n, w in weights.items()}
    single["weights_off"] = farther(*[off(single_weights, weights, at_sea)] * 2)
    golden["train"] |= {"adrift": at_sea, "double": double, "single": single, "sway": sway}
    return golden


def mixed(name: str) -> Spec:
    """A golden of a random spec.

    A spec whose training is chaotic (a last bit of float32 shows in the loss within 20 steps, as it does
    in cubic gates without any norm) can tell nobody right from wrong, and is drawn again.
    """
    for attempt in range(10):
        c = Chooser(fnv1a_32(name), "golden/spec", attempt)
        golden = small(name, mixed_spec(c), mixed_recipe(c))
        if worst_single(golden)["losses"] < STEADY:
            return golden
    raise RuntimeError(f"{name}: no steady spec in 10 draws")


def gpt2_mini() -> Spec:
    """The seed's model, to the letter."""
    layer = [attention(heads=4, kv_heads=4), mlp(512)]
    sizes = {"block_size": 256, "n_embd": 128, "layers": [layer] * 4, "dropout": 0.1}
    return changed(base(), sizes | {"init": {"std": 0.02}})


def true_size() -> Spec:
    """gpt2-mini on two windows of 64: norms of every gradient, and some of its entries."""
    golden = outline("gpt2-mini", gpt2_mini(), recipe())
    del golden["train"]
    golden["vocab_size"] = 65
    c = Chooser(golden["seed"], "golden/batches")
    golden["batch"] = [sequence(c, 64, 65) for _ in range(2)]
    params = fresh_model(golden, torch.float32).named_parameters()
    golden["sample"] = {name: sample_of(p.numel()) for name, p in params}
    add_gradients(golden, lambda name, g: g.flatten()[golden["sample"][name]])
    return golden


def sample_of(n: int) -> list[int]:
    """Indices spread over a tensor of `n` numbers, over all its rows and columns."""
    return sorted({(7919 * i + 13) % n for i in range(SAMPLED)})


def all_goldens() -> dict[str, Callable[[], Spec]]:
    """Every golden's name, and what makes it."""
    goldens: dict[str, Callable[[], Spec]] = {"gpt2-mini": true_size}
    for name, change in switches().items():
        name, spec = f"one-{name}", changed(base(), change)
        goldens[name] = lambda name=name, spec=spec: small(name, spec, recipe())
    for name in (f"mix-{i:02}" for i in range(MIXED)):
        goldens[name] = lambda name=name: mixed(name)
    return goldens


# --- files -----------------------------------------------------------------------------------------


def to_json(value: Any, depth: int = 0) -> str:
    """JSON with a line for every tensor."""
    if not isinstance(value, dict) or depth == 3 or "block_size" in value or "beta1" in value:
        return json.dumps(value, separators=(",", ":"))
    indent = " " * (depth + 1)
    lines = [f"{indent}{json.dumps(k)}:{to_json(v, depth + 1)}" for k, v in value.items()]
    return "{\n" + ",\n".join(lines) + "\n" + " " * depth + "}"


def worst_single(golden: Spec) -> dict[str, float]:
    """Float32's worst relative differences from float64's, or nudged ones' where they are worse."""
    double, single, sway = golden["double"], golden["single"], golden["sway"]
    worst = {"loss": max(abs(double["loss"] - single["loss"]), sway["loss"]) / double["loss"]}
    worst["grad"] = max(
        max(float(np.abs(np.subtract(g, single["grads"][n])).max()), sway["grads"][n])
        / double["grad_norm"]
        for n, g in double["grads"].items()
    )
    if "train" in golden:
        double, single, sway = (golden["train"][key] for key in ("double", "single", "sway"))
        difference = np.abs(np.subtract(double["losses"], single["losses"])).max()
        worst["losses"] = max(float(difference), sway["losses"]) / max(double["losses"])
        worst["weights"] = max(*single["weights_off"].values(), *sway["weights"].values())
    return worst


def main() -> None:
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--only", nargs="*", metavar="NAME", help="remake these; leave the others")
    args = p.parse_args()
    check_published()
    torch.set_num_threads(1)
    goldens, begun = all_goldens(), time.perf_counter()
    chosen = goldens if args.only is None else {name: goldens[name] for name in args.only}
    for name, make in chosen.items():
        golden = make()
        (HERE / f"{name}.json").write_text(to_json(golden) + "\n")
        print(name, *(f"{k} {v:.1e}" for k, v in worst_single(golden).items()), flush=True)
    for path in HERE.glob("*.json"):
        if path.stem not in goldens:
            path.unlink()
    print(f"{len(chosen)} goldens in {time.perf_counter() - begun:.0f}s")


if __name__ == "__main__":
    main()
