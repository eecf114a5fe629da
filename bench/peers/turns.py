"""How a peer takes turns with `gptlab bench`: the other side is `crates/cli/src/commands/bench/`.

A peer stays alive between its turns, so that rounds alternate without paying start-up. It reads a
number of steps on a line of its standard input, runs them, and answers with a line of JSON:

    {"ready": {"program": "PyTorch 2.15.0", "threads": 2, "parameters": 834432}}     once, first
    {"turn": {"seconds": [0.41, 0.40], "peak_bytes": 1370000000}}                    for every line

or, in place of either, `{"absent": "..."}` where PyTorch is not installed and `{"error": "..."}` where
this peer cannot run. The end of standard input is the end.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

Step = Callable[[], object]


def serve(prepare: Callable[[], tuple[dict[str, Any], Step]]) -> None:
    """Prepares, then takes turns until nobody asks any more."""
    out = claim_stdout()
    try:
        about, step = prepare()
        say(out, ready=about)
        for line in sys.stdin:
            say(out, turn={"seconds": timed(step, int(line)), "peak_bytes": peak_bytes()})
    except ModuleNotFoundError as missing:
        say(out, absent=f"{sys.executable} has no module {missing.name}")
    except Exception as error:  # whatever it is, the other side has to hear of it
        said = str(error).strip().splitlines() or [""]
        say(out, error=f"{type(error).__name__}: {said[0]}")


def claim_stdout() -> TextIO:
    """Standard output for answers alone: what libraries print goes to standard error."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return out


def say(out: TextIO, **answer: Any) -> None:
    print(json.dumps(answer), file=out, flush=True)


def timed(step: Step, steps: int) -> list[float]:
    """Seconds of each step."""
    seconds = []
    for _ in range(steps):
        begun = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - begun)
    return seconds


def peak_bytes() -> int:
    """The most memory this process held (`ru_maxrss`: bytes on macOS, KiB elsewhere)."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
