#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Hands a network device to DPDK through vfio-pci, or back to the kernel.
#
#   deploy/bind.sh [show]
#   deploy/bind.sh bind DEVICE       by PCI address (0000:03:00.0) or interface name (eth1)
#   deploy/bind.sh unbind DEVICE DRIVER    DRIVER is the kernel's: ixgbe, i40e, virtio-pci ...
set -euo pipefail
# shellcheck source=deploy/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
  printf 'usage: deploy/bind.sh [show] | bind DEVICE | unbind DEVICE DRIVER\n' >&2
  exit 2
}

devbind=$(command -v dpdk-devbind.py || true)
[ -n "$devbind" ] || stop "dpdk-devbind.py is missing: apt-get install dpdk"

# The PCI address of a device given by address or by interface name.
address_of() {
  local device=$1 path
  if [ -e "/sys/class/net/$device" ]; then
    path=$(readlink -f "/sys/class/net/$device/device") ||
      stop "$device is not a PCI device and cannot be bound"
    device=${path##*/}
    # virtio's interface hangs below its PCI device.
    [ "${device#virtio}" = "$device" ] || device=$(basename "$(dirname "$path")")
  fi
  [ "${device#*:*:}" != "$device" ] || device=0000:$device
  [ -e "/sys/bus/pci/devices/$device" ] ||
    stop "there is no device $1; deploy/bind.sh show lists them"
  printf '%s\n' "$device"
}

# The interface that carries the default route is how one reaches this machine.
refuse_default_route() {
  local interface
  for interface in $(ip -o route show default | sed -n 's/.* dev \([^ ]*\).*/\1/p'); do
    if [ -e "/sys/bus/pci/devices/$1/net/$interface" ] ||
      compgen -G "/sys/bus/pci/devices/$1/virtio*/net/$interface" >/dev/null; then
      stop "$1 is $interface, which carries the default route; binding it cuts this machine off"
    fi
  done
}

case "${1-show}" in
  show) exec "$devbind" --status-dev net ;;
  bind)
    [ $# -eq 2 ] || usage
    address=$(address_of "$2")
    refuse_default_route "$address"
    [ -d /sys/bus/pci/drivers/vfio-pci ] || as_root modprobe vfio-pci ||
      stop "the module vfio-pci cannot be loaded on this kernel"
    compgen -G "/sys/kernel/iommu_groups/*" >/dev/null ||
      stop "the machine has no IOMMU in use: turn it on in the firmware and boot with" \
        "intel_iommu=on or amd_iommu=on"
    as_root "$devbind" --bind=vfio-pci "$address"
    ;;
  unbind)
    [ $# -eq 3 ] || usage
    as_root "$devbind" --bind="$3" "$(address_of "$2")"
    ;;
  *) usage ;;
esac
