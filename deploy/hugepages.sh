#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Hugepages of 2 MB: shows them, reserves some on every NUMA node, gives them back.
#
#   deploy/hugepages.sh [show]
#   deploy/hugepages.sh reserve MEGABYTES [NODE]   on each node, or on one
#   deploy/hugepages.sh release
set -euo pipefail
# shellcheck source=deploy/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

nodes=/sys/devices/system/node
pool=hugepages/hugepages-2048kB

usage() {
  printf 'usage: deploy/hugepages.sh [show] | reserve MEGABYTES [NODE] | release\n' >&2
  exit 2
}

each_node() {
  local node
  for node in "$nodes"/node[0-9]*; do
    [ -d "$node/$pool" ] && printf '%s\n' "$node"
  done
}

show() {
  local node total free
  for node in $(each_node); do
    read -r total <"$node/$pool/nr_hugepages"
    read -r free <"$node/$pool/free_hugepages"
    printf '%s: %d MB reserved, %d MB free\n' "${node##*/}" $((total * 2)) $((free * 2))
  done
}

# The kernel gives what it finds; what it did not find has to be said.
set_pages() {
  local node=$1 pages=$2 got
  printf '%d\n' "$pages" | as_root tee "$node/$pool/nr_hugepages" >/dev/null ||
    stop "the kernel refused $pages pages on ${node##*/}"
  read -r got <"$node/$pool/nr_hugepages"
  if [ "$got" -lt "$pages" ]; then
    stop "${node##*/} gave $((got * 2)) of $((pages * 2)) MB: memory is full or fragmented;" \
      "reserve them sooner after the start of the machine"
  fi
}

[ -n "$(each_node)" ] || stop "this kernel has no hugepages of 2 MB"
case "${1-show}" in
  show) ;;
  reserve)
    [[ "${2-}" =~ ^[1-9][0-9]*$ ]] || usage
    pages=$((($2 + 1) / 2))
    if [ $# -ge 3 ]; then
      [ -d "$nodes/node$3/$pool" ] || stop "there is no NUMA node $3"
      set_pages "$nodes/node$3" "$pages"
    else
      for node in $(each_node); do set_pages "$node" "$pages"; done
    fi
    ;;
  release)
    for node in $(each_node); do set_pages "$node" 0; done
    ;;
  *) usage ;;
esac
show
