#!/usr/bin/env bash
# Checks a GPU and measures training on it, beside the CPU of the same machine and PyTorch on the same GPU, in alternating
# runs: tokens a second of gpt2-mini, of 10.65 million parameters (6 x 384, context 256) and of GPT-2 124M, in f32 and
# bf16. PyTorch runs compiled, with fused attention and a fused optimiser.
#
#     bench/gpu.sh              # the first GPU
#     bench/gpu.sh gpu:1        # another; `gptlab doctor --device gpu` lists them
#     SMALL=1 bench/gpu.sh      # gpt2-mini alone and few steps, to try the script where a GPU is a program
#     PEER=cuda PYTHON=/path/python bench/gpu.sh   # with PyTorch's device; bench/peers/requirements.txt says what it needs
#     PROGRAM=/path/gptlab bench/gpu.sh      # a program that was built elsewhere with the feature `gpu`
set -euo pipefail
cd "$(dirname "$0")/.."
peers=$PWD/bench/peers
device=${1:-gpu}
rounds=${ROUNDS:-3}
program=${PROGRAM:-}
if [ -z "$program" ]; then
    cargo build --release --quiet --features gpu
    program=$(cd "${CARGO_TARGET_DIR:-target}" && pwd)/release/gptlab
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
cd "$out"
echo "== the kernels"
"$program" doctor --device "$device"

"$program" data write stories >text.txt

# device, precision, steps, and the flags of a model; prints the median tokens a second between the logged steps, which
# wait for the device
rate() {
    local device=$1 precision=$2 steps=$3
    shift 3
    rm -rf run
    "$program" train --data text.txt "$@" --device "$device" --precision "$precision" --steps "$steps" \
        --log-interval 5 --val-fraction 0 --val-tokens 0 --sample-interval 0 --checkpoint-interval 0 --out run --json \
        2>/dev/null |
        grep '"event":"step"' | sed 's/.*"tokens_per_second":\([0-9.]*\).*/\1/' | tail -n +2 | sort -n |
        awk '{ rate[NR] = $1 } END { printf "%.0f", rate[int((NR + 1) / 2)] }'
}

# precision, steps, and the flags of a model; prints PyTorch's tokens a second
peer() {
    local precision=$1 steps=$2 flags=()
    shift 2
    [ "$precision" = bf16 ] && flags+=(--bf16)
    [ "$PEER" = cpu ] || flags+=(--compile)
    "${PYTHON:-python3}" "$peers/seed_recipe.py" text.txt "$@" "${flags[@]}" --device "$PEER" --attention sdpa \
        --optimizer fused --steps "$((steps + 5))" --log-every "$steps" |
        sed -n 's/^\([0-9]*\) tokens.s .*/\1/p'
}

measure() { # name, steps, batch, context, layers, heads, width, then more flags of the model
    local name=$1 steps=$2 batch=$3 context=$4 layers=$5 heads=$6 width=$7 round precision on
    shift 7
    for precision in f32 bf16; do
        for round in $(seq "$rounds"); do
            for on in "$device" cpu; do
                printf '%s\t%s\t%s\t%s\t%s\n' "$name" "$precision" "$on" "$round" \
                    "$(rate "$on" "$precision" "$steps" --preset gpt2-mini --batch-size "$batch" --block-size "$context" \
                        --n-layer "$layers" --n-head "$heads" --n-embd "$width" --mlp-hidden "$((4 * width))" "$@")"
            done
            [ -z "${PEER:-}" ] || printf '%s\t%s\t%s\t%s\t%s\n' "$name" "$precision" "PyTorch-$PEER" "$round" \
                "$(peer "$precision" "$steps" --batch-size "$batch" --block-size "$context" --n-layer "$layers" \
                    --n-head "$heads" --n-embd "$width" "$@")"
        done
    done
}

echo "== tokens a second: model, precision, device, round, median"
if [ -n "${SMALL:-}" ]; then
    rounds=1 measure gpt2-mini 6 4 256 4 4 128
    exit
fi
measure gpt2-mini 30 32 256 4 4 128
measure 10.65M 20 64 256 6 6 384 --dropout 0.2
measure 124M 10 4 1024 12 12 768 --dropout 0
