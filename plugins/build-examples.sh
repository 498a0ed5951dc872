#!/usr/bin/env bash
# Builds every example plugin, with the tools that are there; what is missing comes from package
# registries into a folder of tools (JUSTPING_TOOLS_DIR). Says what it used.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cargo build -p justping-cli
exec "${CARGO_TARGET_DIR:-target}/debug/justping" plugin build plugins/examples/*/
