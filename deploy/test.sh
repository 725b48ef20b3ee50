#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Installs what is missing, builds, runs the tests; the last line says how many passed and failed.
#
#   deploy/test.sh         the dev preset: unit, conformance, sim, fuzz corpora, house and interop
#   deploy/test.sh --all   also Meson, clang with sanitizers, static analysis, fuzzing, a longer
#                          simulation, long transfers beside Linux, formatting and the shell scripts
#
# MILLRACE_SIM_SEEDS sets the number of simulated runs, MILLRACE_FUZZ_SECONDS the time of each fuzz
# target under --all. Logs are in build/logs. Exit codes: 0 all passed, 1 something failed, 2 usage,
# 3 the machine lacks something.
set -euo pipefail
# shellcheck source=deploy/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$MILLRACE_ROOT"

all=false
case "${1-}" in
  "") ;;
  --all) all=true ;;
  *)
    printf 'usage: deploy/test.sh [--all]\n' >&2
    exit 2
    ;;
esac

logs=$MILLRACE_ROOT/build/logs
passed=0
failed=0
seeds=${MILLRACE_SIM_SEEDS-}
fuzz_seconds=${MILLRACE_FUZZ_SECONDS:-20}

count() {
  passed=$((passed + $1))
  failed=$((failed + $2))
}

# attempt NAME MINUTES COMMAND...: runs it with its output in a log; shows the log's end on failure.
attempt() {
  local name=$1 minutes=$2 status=0
  shift 2
  timeout --kill-after=10 "${minutes}m" "$@" >"$logs/$name.log" 2>&1 </dev/null || status=$?
  [ "$status" -eq 0 ] && return 0
  [ "$status" -eq 124 ] && printf '%s: not done after %d minutes\n' "$name" "$minutes"
  grep -E 'error:|FAILED|\*\*\*Failed|\*\*\*Timeout|\*\*\*Exception|^E  ' "$logs/$name.log" |
    head -n 40 || true
  printf '... the last lines of %s:\n' "build/logs/$name.log"
  tail -n 15 "$logs/$name.log"
  return 1
}

# A step that is one test in itself.
check() {
  if attempt "$@"; then count 1 0; else count 0 1; fi
}

# Configures and builds a preset. A build that fails counts as one failure.
build() {
  say "$1: building"
  # shellcheck disable=SC2016
  if ! attempt "build-$1" 20 bash -c 'cmake --preset "$1" && cmake --build --preset "$1" -j "$2"' \
    - "$1" "$(cores)"; then
    count 0 1
    return 1
  fi
}

# The tests of a preset that need no root.
run_tests() {
  say "$1: testing (simulated runs: $2)"
  MILLRACE_SIM_SEEDS=$2 attempt "test-$1" 25 ctest --preset "$1" -LE interop -j "$(cores)" || true
  tally ctest "build/$1/Testing/Temporary/LastTest.log"
}

# Adds what a log counts. A missing or empty log means that nothing ran: one failure.
tally() {
  local counted
  counted=$(/usr/bin/python3 deploy/tally.py "$1" "$2") || counted="0 0"
  [ "$counted" = "0 0" ] && counted="0 1"
  # shellcheck disable=SC2086
  count $counted
}

run_interop() {
  say "interop: testing against the kernel (as root)"
  local -a root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null ||
      stop "the interop tests need root, and there is no sudo; run this as root"
    root=(sudo)
  fi
  attempt interop 20 "${root[@]}" env MILLRACE_LONG="$all" ctest --preset dev -L interop || true
  tally ctest build/dev/Testing/Temporary/LastTest.log
  [ "${#root[@]}" -eq 0 ] || sudo chown -R "$(id -u):$(id -g)" build/dev/Testing
}

run_meson() {
  say "meson: building"
  local -a again=()
  [ -f build/meson/build.ninja ] && again=(--reconfigure)
  # shellcheck disable=SC2016
  if ! attempt build-meson 20 bash -c \
    'meson setup -Ddebug=false "${@:2}" build/meson && ninja -C build/meson -j "$1"' - "$(cores)" \
    "${again[@]}"; then
    count 0 1
    return 0
  fi
  say "meson: testing"
  MILLRACE_SIM_SEEDS=${seeds:-100} attempt test-meson 15 meson test -C build/meson \
    --num-processes "$(cores)" --no-rebuild --print-errorlogs \
    --suite unit --suite conformance --suite sim --suite fuzz --suite house || true
  tally meson build/meson/meson-logs/testlog.json
}

run_fuzzers() {
  local target name
  local -a corpora
  build fuzz || return 0
  run_tests fuzz 0
  for target in build/fuzz/fuzz_*; do
    [ -x "$target" ] || continue
    name=${target##*/fuzz_}
    say "fuzz: $name for $fuzz_seconds s"
    corpora=("build/fuzz/corpus/$name")
    [ -d "tests/fuzz/corpus/$name" ] && corpora+=("tests/fuzz/corpus/$name")
    check "fuzz-$name" 10 "$target" -max_total_time="$fuzz_seconds" -rss_limit_mb=4096 \
      -artifact_prefix="build/fuzz/$name-" "${corpora[@]}"
  done
}

run_style() {
  local -a cpp scripts
  mapfile -t cpp < <(git ls-files '*.h' '*.cpp')
  say "formatting: ${#cpp[@]} files"
  check format 5 clang-format --dry-run --Werror "${cpp[@]}"
  mapfile -t scripts < <(git ls-files '*.sh' .ci/run)
  say "shell: ${#scripts[@]} scripts"
  check shell 5 shellcheck -x "${scripts[@]}"
}

run_analysis() {
  local -a cpp
  mapfile -t cpp < <(git ls-files 'tcp/*.cpp' 'dataplane/*.cpp' 'apps/*.cpp')
  [ "${#cpp[@]}" -gt 0 ] || return 0
  say "static analysis: ${#cpp[@]} files"
  # shellcheck disable=SC2016
  check analysis 15 bash -c 'printf "%s\0" "${@:2}" |
    xargs -0 -n 1 -P "$1" clang-tidy --quiet -p build/asan-ubsan' - "$(cores)" "${cpp[@]}"
}

install_sections build run test
if $all; then install_sections test-all; fi
mkdir -p "$logs"
# One test reads histogram logs by npm's own library too; where there is no npm, it says so.
if $all && command -v npm >/dev/null && [ ! -d build/dev/npm/node_modules/hdr-histogram-js ]; then
  timeout 60 npm install --no-audit --no-fund --prefix build/dev/npm hdr-histogram-js@3.0.1 \
    >"$logs/npm.log" 2>&1 || say "npm has no hdr-histogram-js for us: one test is left out"
fi

if build dev; then
  if $all; then run_tests dev "${seeds:-10000}"; else run_tests dev "${seeds:-1000}"; fi
  run_interop
fi
if $all; then
  run_meson
  # The sanitizers' build is the other compiler's as well: one build less, and the same warnings.
  if build asan-ubsan; then
    run_tests asan-ubsan "${seeds:-100}"
    run_analysis
  fi
  run_fuzzers
  run_style
fi

say "done; logs are in build/logs"
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
