# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# What the deploy scripts share: saying what is done, installing what is missing. Source it.

MILLRACE_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
MILLRACE_STARTED=$SECONDS

# One line per step, with the time since the start.
say() {
  local elapsed=$((SECONDS - MILLRACE_STARTED))
  printf '[%2d:%02d] %s\n' $((elapsed / 60)) $((elapsed % 60)) "$*"
}

# Ends with a sentence. What cannot be done is the environment's fault: exit code 3.
stop() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 3
}

# Runs a command as root: as it is, or through sudo.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    stop "root is needed for '$*', and there is no sudo; run this as root"
  fi
}

# The packages of the given sections of deploy/packages.txt.
packages_of() {
  awk -v wanted=" $* " '
    /^\[/ { section = substr($1, 2, length($1) - 2); next }
    /^#/ || NF == 0 { next }
    index(wanted, " " section " ") { print $1 }' "$MILLRACE_ROOT/deploy/packages.txt" | sort -u
}

# Those of the packages given that are not installed.
missing_of() {
  local package
  for package in "$@"; do
    dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
      printf '%s\n' "$package"
  done
}

# Installs what the sections need and the machine lacks; asks for nothing where all is there.
install_sections() {
  local -a wanted missing
  command -v dpkg-query >/dev/null ||
    stop "this installs Debian packages; elsewhere, install what deploy/packages.txt lists"
  mapfile -t wanted < <(packages_of "$@")
  mapfile -t missing < <(missing_of "${wanted[@]}")
  [ "${#missing[@]}" -eq 0 ] && return 0
  say "installing ${missing[*]}"
  as_root apt-get update -qq ||
    stop "the package lists could not be fetched; is there a network?"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    "${missing[@]}" >/dev/null ||
    stop "these packages could not be installed: ${missing[*]}"
}

# Cores that builds and tests may use.
cores() {
  nproc
}
