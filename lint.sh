#!/usr/bin/env bash
# What reads the code and runs nothing of it but the guests' own tests: lints, docs, and the same of guests.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export RUSTDOCFLAGS="-Dwarnings" CARGO_INCREMENTAL=0

step() { printf '\n== %s (%ss)\n' "$1" "$SECONDS"; }

step "format"
cargo fmt --all --check
step "lints"
cargo clippy --workspace --all-targets --all-features -- -D warnings
step "docs"
cargo doc --workspace --all-features --no-deps --quiet
step "guests"
for manifest in plugins/sdk/Cargo.toml plugins/examples/*/Cargo.toml; do
  cargo fmt --check --manifest-path "$manifest"
  CARGO_TARGET_DIR=target/guests cargo clippy --quiet --locked --all-targets --manifest-path "$manifest" -- -D warnings
  # A guest is a library for another machine: here it cannot be linked, but its tests can.
  only=$([ "$manifest" = plugins/sdk/Cargo.toml ] || echo --lib)
  CARGO_TARGET_DIR=target/guests cargo test --quiet --locked $only --manifest-path "$manifest"
done
cargo fmt --check --manifest-path plugins/fuzz/Cargo.toml
cargo fmt --check --manifest-path plugins/host/benches/peers/extism/Cargo.toml
step "done"
