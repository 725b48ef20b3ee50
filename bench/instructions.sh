#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Instructions per connection and per keep-alive request, both ends and all layers, by callgrind as
# the difference of two run lengths: start-up and the first touch of memory cancel out.
#   bench/instructions.sh [BUILD_DIR]     default: build/release
set -euo pipefail
build=${1:-build/release}
bench=$(find "$build" -name bench_echo_loopback -type f -perm -u+x | head -n 1)
[ -n "$bench" ] || {
  echo "instructions.sh: no bench_echo_loopback under $build: build it first" >&2
  exit 3
}
command -v valgrind > /dev/null || {
  echo "instructions.sh: valgrind is missing: apt-get install valgrind" >&2
  exit 3
}

# count ARGS...: instructions of one whole run
count() {
  local log
  log=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null "$bench" "$@" 2>&1 >/dev/null)
  awk '/Collected/ { print $NF }' <<< "$log"
}

for family in "" --ipv6; do
  short=$(count --connections 2000 --requests 1 $family)
  long=$(count --connections 6000 --requests 1 $family)
  many=$(count --connections 2000 --requests 5 $family)
  printf '%-6s %8d instructions a connection (open, 64 bytes each way, close, TIME_WAIT)\n' \
    "${family:+IPv6}" $(((long - short) / 4000))
  printf '%-6s %8d instructions a keep-alive request (64 bytes each way)\n' \
    "${family:+IPv6}" $(((many - short) / 8000))
done
