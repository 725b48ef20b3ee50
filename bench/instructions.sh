#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Instructions per connection and per keep-alive request, both ends and all layers, by callgrind as
# the difference of two run lengths: start-up and the first touch of memory cancel out. Echo sends
# 64 bytes each way; HTTP asks the server of `millrace serve` for /bytes/64.
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

# measure TITLE OPTIONS...
measure() {
  local title=$1 short long many
  shift
  short=$(count --connections 2000 --requests 1 "$@")
  long=$(count --connections 6000 --requests 1 "$@")
  many=$(count --connections 2000 --requests 5 "$@")
  printf '%-10s %8d instructions a connection (open, one request, close, TIME_WAIT)\n' \
    "$title" $(((long - short) / 4000))
  printf '%-10s %8d instructions a keep-alive request\n' "$title" $(((many - short) / 8000))
}

measure "echo IPv4"
measure "echo IPv6" --ipv6
measure "HTTP IPv4" --http
"$bench" --connections 100 --http |
  sed 's/.*a request of \(.*\);.*/HTTP: a request and its answer have \1/'
