#!/usr/bin/env bash
# Counts the instructions of small, fixed pieces of work with valgrind's callgrind: a regression shows even on a machine
# too noisy to time anything. The same program counts the same to a few parts in a million (generation, which writes as
# it goes, to half a part in a hundred). valgrind has no AVX-512, so this counts the AVX2 path.
#
#     bench/instructions.sh            # counts, beside those recorded in instructions.tsv
#     bench/instructions.sh --record   # counts, and records them
set -euo pipefail
cd "$(dirname "$0")/.."
record=bench/instructions.tsv
cargo build --release --quiet
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
count() { # name, then the command
    local name=$1 n
    shift
    n=$(cd "$out" && valgrind --tool=callgrind --callgrind-out-file=/dev/null "$@" 2>&1 >/dev/null |
        awk '/Collected/ { print $4 }')
    printf '%s\t%s\n' "$name" "$n"
}
program=${CARGO_TARGET_DIR:-target}/release/gptlab
cp "$program" "$out/gptlab"
tiny="--n-layer 2 --n-embd 64 --n-head 2 --block-size 64 --batch-size 4 --threads 1 --isa avx2 --sample-interval 0 \
--val-fraction 0 --val-tokens 0 --log-interval 1000"
{
    count train-2-steps "$out/gptlab" train $tiny --steps 2 --out a
    count train-12-steps "$out/gptlab" train $tiny --steps 12 --out b --save tiny.safetensors
    count train-12-steps-bf16 "$out/gptlab" train $tiny --steps 12 --precision bf16 --out c
    count generate-60-tokens "$out/gptlab" generate tiny.safetensors --max-tokens 60 --seed 1 --threads 1 --isa avx2
    count micro-100-steps "$out/gptlab" micro --steps 100 --threads 1 --isa avx2
} >"$out/counts"
if [ "${1:-}" = --record ]; then
    cp "$out/counts" "$record"
fi
# name, found, recorded, found / recorded
join -t "$(printf '\t')" <(sort "$out/counts") <(sort "$record") |
    awk -F '\t' '{ printf "%-22s %14d %14d  %.4f\n", $1, $2, $3, $2 / $3 }'
