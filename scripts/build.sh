#!/bin/bash
# Configures where that was not done yet, and builds what changed.
# usage: build.sh PRESET [TARGET...]        PRESET: release, debug or asan
set -euo pipefail

preset=$1
shift
cd "$(dirname "$0")/.."
if [[ ! -f build/$preset/build.ninja || CMakePresets.json -nt build/$preset/build.ninja ]]; then
  cmake --preset "$preset"
fi
targets=()
(($#)) && targets=(--target "$@")
exec cmake --build "build/$preset" "${targets[@]}"
