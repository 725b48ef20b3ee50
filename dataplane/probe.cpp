// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/probe.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace millrace {

namespace fs = std::filesystem;

namespace {
std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

template <typename T>
T number(const std::string& text, T otherwise, int base = 10) {
  const char* first = text.data();
  const char* last = first + text.size();
  if (base == 16 && text.starts_with("0x")) first += 2;
  T value{};
  return std::from_chars(first, last, value, base).ec == std::errc{} ? value : otherwise;
}

/// The number that ends `name` after `prefix`, or nothing.
std::optional<int> numbered(const std::string& name, const std::string& prefix) {
  if (!name.starts_with(prefix)) return std::nullopt;
  const int value = number(name.substr(prefix.size()), -1);
  return value < 0 ? std::nullopt : std::optional(value);
}
}  // namespace

bool PciInfo::bound_for_userspace() const {
  // The last three share the device with the kernel: DPDK drives it beside.
  for (const char* name :
       {"vfio-pci", "uio_pci_generic", "igb_uio", "mlx5_core", "mlx4_core", "mana"}) {
    if (driver == name) return true;
  }
  return false;
}

std::string Machine::read(const std::string& path) const {
  std::ifstream file(root_ + path);
  return trimmed(std::string(std::istreambuf_iterator<char>(file), {}));
}

std::vector<std::string> Machine::list(const std::string& path) const {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator at(root_ + path, error), end; !error && at != end;
       at.increment(error)) {
    names.push_back(at->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string Machine::link_name(const std::string& path) const {
  std::error_code error;
  const fs::path target = fs::read_symlink(root_ + path, error);
  return error ? std::string() : target.filename().string();
}

std::vector<CoreInfo> Machine::cores() const {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  sched_getaffinity(0, sizeof allowed, &allowed);
  const std::vector<int> isolated = parse_cpu_list(read("/sys/devices/system/cpu/isolated"));
  std::vector<CoreInfo> cores;
  for (const int id : parse_cpu_list(read("/sys/devices/system/cpu/online"))) {
    CoreInfo core;
    core.id = id;
    core.allowed = id < CPU_SETSIZE && CPU_ISSET(static_cast<unsigned>(id), &allowed);
    core.isolated = std::find(isolated.begin(), isolated.end(), id) != isolated.end();
    for (const std::string& name : list("/sys/devices/system/cpu/cpu" + std::to_string(id))) {
      if (const auto node = numbered(name, "node")) core.node = *node;
    }
    cores.push_back(core);
  }
  return cores;
}

std::vector<HugepageInfo> Machine::hugepages() const {
  std::vector<HugepageInfo> pools;
  const std::string nodes = "/sys/devices/system/node";
  for (const std::string& node_name : list(nodes)) {
    const auto node = numbered(node_name, "node");
    if (!node) continue;
    const std::string folder = nodes + "/" + node_name + "/hugepages";
    for (const std::string& pool : list(folder)) {
      if (!pool.starts_with("hugepages-")) continue;
      HugepageInfo info;
      info.node = *node;
      info.page_kib = number<std::uint64_t>(pool.substr(10), 0);
      info.total = number<std::uint64_t>(read(folder + "/" + pool + "/nr_hugepages"), 0);
      info.free = number<std::uint64_t>(read(folder + "/" + pool + "/free_hugepages"), 0);
      pools.push_back(info);
    }
  }
  return pools;
}

std::uint64_t Machine::free_hugepage_mib() const {
  std::uint64_t mib = 0;
  for (const HugepageInfo& pool : hugepages()) mib += pool.page_kib * pool.free / 1024;
  return mib;
}

std::optional<PciInfo> Machine::pci(const std::string& address) const {
  const std::string folder = "/sys/bus/pci/devices/" + address;
  std::error_code error;
  if (address.empty() || !fs::exists(root_ + folder, error)) return std::nullopt;
  PciInfo info;
  info.address = address;
  info.driver = link_name(folder + "/driver");
  info.class_code = number<std::uint32_t>(read(folder + "/class"), 0, 16);
  info.vendor = number<std::uint16_t>(read(folder + "/vendor"), 0, 16);
  info.device = number<std::uint16_t>(read(folder + "/device"), 0, 16);
  info.node = number(read(folder + "/numa_node"), -1);
  info.iommu_group = number(link_name(folder + "/iommu_group"), -1);
  info.interfaces = list(folder + "/net");
  for (const std::string& other : list(folder + "/iommu_group/devices")) {
    if (other == address) continue;
    info.in_group.push_back({other, link_name("/sys/bus/pci/devices/" + other + "/driver")});
  }
  return info;
}

std::vector<PciInfo> Machine::network_functions() const {
  std::vector<PciInfo> found;
  for (const std::string& address : list("/sys/bus/pci/devices")) {
    auto info = pci(address);
    if (info && (info->class_code >> 16) == 0x02) found.push_back(std::move(*info));
  }
  return found;
}

bool Machine::has(Capability capability) const {
  const std::string status = read("/proc/self/status");
  const std::size_t at = status.find("CapEff:");
  if (at == std::string::npos) return false;
  const std::size_t digits = status.find_first_not_of(" \t", at + 7);
  if (digits == std::string::npos) return false;
  const auto set = number<std::uint64_t>(status.substr(digits, 16), 0, 16);
  return ((set >> static_cast<int>(capability)) & 1) != 0;
}

std::vector<int> parse_cpu_list(const std::string& text) {
  std::vector<int> cpus;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    int first = 0;
    auto got = std::from_chars(at, end, first);
    if (got.ec != std::errc{} || first < 0) return {};
    int last = first;
    if (got.ptr < end && *got.ptr == '-') {
      got = std::from_chars(got.ptr + 1, end, last);
      if (got.ec != std::errc{} || last < first || last > 65'535) return {};
    }
    for (int cpu = first; cpu <= last; ++cpu) cpus.push_back(cpu);
    if (got.ptr < end && *got.ptr != ',') return {};
    at = got.ptr + 1;
  }
  return cpus;
}

std::string cpu_list_text(const std::vector<int>& cpus) {
  std::string text;
  for (std::size_t i = 0; i < cpus.size();) {
    std::size_t last = i;
    while (last + 1 < cpus.size() && cpus[last + 1] == cpus[last] + 1) ++last;
    if (!text.empty()) text += ',';
    text += std::to_string(cpus[i]);
    if (last > i) text += '-' + std::to_string(cpus[last]);
    i = last + 1;
  }
  return text;
}

}  // namespace millrace
