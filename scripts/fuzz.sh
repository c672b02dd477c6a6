#!/bin/bash
# Fuzzing (docs/fuzzing.md): builds the targets of tests/fuzz/ with libFuzzer and the sanitizers, and
# runs them one after the other. What they found lies in build/fuzz/findings.
# usage: fuzz.sh [SECONDS_PER_TARGET [TARGET...]]        default: 60, all; TARGET such as isa_unpack
set -euo pipefail

cd "$(dirname "$0")/.."
seconds=${1:-60}
shift || true
if [[ ! $seconds =~ ^[0-9]+$ ]]; then
  sed -n '2,4s/^# //p' "$0" >&2
  exit 2
fi
scripts/install-dependencies.sh build fuzz

build=$PWD/build/fuzz
targets=("$@")
if ((${#targets[@]} == 0)); then
  for source in tests/fuzz/*_fuzz.c; do
    name=${source##*/}
    targets+=("${name%_fuzz.c}")
  done
fi
scripts/build.sh fuzz "${targets[@]/%/_fuzz}"
mkdir -p "$build/findings"
/usr/bin/python3 -B tests/fuzz/seeds.py "$build/seeds"

found=()
for name in "${targets[@]}"; do
  mkdir -p "$build/corpus/$name"
  folders=("$build/corpus/$name" "$build/seeds/$name")
  [[ -d tests/fuzz/corpus/$name ]] && folders+=("tests/fuzz/corpus/$name")
  options=(-max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -malloc_limit_mb=128
    -max_len=16384 -print_final_stats=1 -artifact_prefix="$build/findings/$name-")
  [[ -f tests/fuzz/dictionaries/$name.dict ]] && options+=(-dict="tests/fuzz/dictionaries/$name.dict")
  log=$build/findings/$name.log
  if nice -n 19 "$build/bin/${name}_fuzz" "${options[@]}" "${folders[@]}" >"$log" 2>&1; then
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    echo "$name: ${runs:-0} runs, nothing found"
  else
    found+=("$name")
    echo "$name: FOUND: $(grep -m 1 -E '^SUMMARY|runtime error|fuzz.*: .*: ' "$log" || true)"
    grep 'Test unit written' "$log" || true
  fi
done
((${#found[@]} == 0))
