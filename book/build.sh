#!/usr/bin/env bash
# Makes the pages of both languages in book/html, which open without a server and without a network.
# It needs mdBook: cargo install mdbook --version '^0.5' --locked
set -euo pipefail
cd "$(dirname "$0")"
if ! command -v mdbook >/dev/null; then
    echo "mdbook was not found; install it: cargo install mdbook --version '^0.5' --locked" >&2
    exit 1
fi
cargo run --quiet --locked --package gptlab-book -- --book . check
rm -rf html
for language in en ja; do
    mdbook build "$language" --dest-dir "$PWD/html/$language"
done
echo "open book/html/en/index.html or book/html/ja/index.html"
