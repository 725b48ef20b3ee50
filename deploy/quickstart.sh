#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# From a fresh checkout to a first result: installs what is missing, builds, and runs server and
# load generator against each other in one process, over an in-memory cable. No NIC, no hugepages;
# root only if packages are missing.
set -euo pipefail
# shellcheck source=deploy/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$MILLRACE_ROOT"

install_sections build
mkdir -p build
log=build/quickstart.log
say "building (release); the compiler's words are in $log"
{ cmake --preset release -DMILLRACE_TESTS=OFF -DMILLRACE_BENCH=OFF &&
  cmake --build --preset release -j "$(cores)" --target millrace; } >"$log" 2>&1 || {
  tail -n 30 "$log" >&2
  stop "the build failed; its last lines are above, the rest in $log"
}
[ -x build/release/millrace ] || stop "the build made no build/release/millrace"
say "running: millrace loopback --duration 10s --requests-per-connection 5"
exec build/release/millrace loopback --duration 10s --requests-per-connection 5
