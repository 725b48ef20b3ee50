// SPDX-License-Identifier: BSD-3-Clause
//
// What this machine has: cores, hugepages, permissions, PCI functions and who drives them. Reads
// sysfs and procfs and nothing else; starts nothing. For doctor and check, and for the backend,
// which asks before the EAL does because the EAL's own answers are no sentences.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace millrace {

struct CoreInfo {
  int id = 0;
  int node = 0;
  bool allowed = false;   // in this process's affinity when it was asked
  bool isolated = false;  // isolcpus: the scheduler keeps off it
};

struct HugepageInfo {
  int node = 0;
  std::uint64_t page_kib = 0;
  std::uint64_t total = 0;
  std::uint64_t free = 0;
};

struct PciNeighbour {
  std::string address;
  std::string driver;  // empty: none
};

struct PciInfo {
  std::string address;
  std::string driver;  // the kernel's driver: vfio-pci, e1000e ...; empty: none
  std::uint32_t class_code = 0;
  std::uint16_t vendor = 0, device = 0;
  int node = -1;
  int iommu_group = -1;                 // -1: no IOMMU
  std::vector<PciNeighbour> in_group;   // the other functions of its IOMMU group
  std::vector<std::string> interfaces;  // network interfaces of the kernel on it

  /// Bound to a driver through which a process may own it.
  [[nodiscard]] bool bound_for_userspace() const;
};

enum class Capability : int { net_admin = 12, net_raw = 13, ipc_lock = 14, sys_admin = 21 };

class Machine {
 public:
  /// `root` is put before /sys and /proc: tests lay a machine of their own there.
  explicit Machine(std::string root = "") : root_(std::move(root)) {}

  [[nodiscard]] std::vector<CoreInfo> cores() const;
  [[nodiscard]] std::vector<HugepageInfo> hugepages() const;
  /// Free hugepages of all sizes and nodes.
  [[nodiscard]] std::uint64_t free_hugepage_mib() const;
  [[nodiscard]] std::optional<PciInfo> pci(const std::string& address) const;
  /// All network controllers on PCI.
  [[nodiscard]] std::vector<PciInfo> network_functions() const;
  [[nodiscard]] bool has(Capability capability) const;

 private:
  [[nodiscard]] std::string read(const std::string& path) const;
  [[nodiscard]] std::vector<std::string> list(const std::string& path) const;
  [[nodiscard]] std::string link_name(const std::string& path) const;

  std::string root_;
};

/// "0-3,8" as a list; empty if it is none.
[[nodiscard]] std::vector<int> parse_cpu_list(const std::string& text);
/// And back: 0,1,2,3,8 is "0-3,8".
[[nodiscard]] std::string cpu_list_text(const std::vector<int>& cpus);

}  // namespace millrace
