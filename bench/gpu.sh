#!/usr/bin/env bash
# Checks a GPU and measures training on it, beside the CPU of the same machine, in alternating runs: tokens a second of
# gpt2-mini, of 10.65 million parameters (6 x 384, context 256) and of GPT-2 124M, in f32 and bf16.
#
#     bench/gpu.sh              # the first GPU
#     bench/gpu.sh gpu:1        # another; `gptlab doctor --device gpu` lists them
#     SMALL=1 bench/gpu.sh      # gpt2-mini alone and few steps, to try the script where a GPU is a program
set -euo pipefail
cd "$(dirname "$0")/.."
device=${1:-gpu}
rounds=${ROUNDS:-3}
cargo build --release --quiet --features gpu
program=$(cd "${CARGO_TARGET_DIR:-target}" && pwd)/release/gptlab
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
cd "$out"
echo "== the kernels"
"$program" doctor --device "$device"

# device, precision, steps, and the flags of a model; prints the median tokens a second of the logged steps
rate() {
    local device=$1 precision=$2 steps=$3
    shift 3
    rm -rf run
    "$program" train "$@" --device "$device" --precision "$precision" --steps "$steps" --log-interval 1 --val-fraction 0 \
        --val-tokens 0 --sample-interval 0 --checkpoint-interval 0 --out run --json 2>/dev/null |
        grep '"event":"step"' | sed 's/.*"tokens_per_second":\([0-9.]*\).*/\1/' | tail -n +3 | sort -n |
        awk '{ rate[NR] = $1 } END { printf "%.0f", rate[int((NR + 1) / 2)] }'
}

measure() { # name, steps, then the flags of the model
    local name=$1 steps=$2 round precision
    shift 2
    for precision in f32 bf16; do
        for round in $(seq "$rounds"); do
            for on in "$device" cpu; do
                printf '%s\t%s\t%s\t%s\t%s\n' "$name" "$precision" "$on" "$round" "$(rate "$on" "$precision" "$steps" "$@")"
            done
        done
    done
}

echo "== tokens a second: model, precision, device, round, median"
if [ -n "${SMALL:-}" ]; then
    rounds=1 measure gpt2-mini 6 --preset gpt2-mini --batch-size 4
    exit
fi
measure gpt2-mini 30 --preset gpt2-mini
measure 10.65M 20 --preset nano
measure 124M 10 --preset gpt2 --batch-size 4
