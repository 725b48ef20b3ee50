// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/dpdk/device_spec.h"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <numeric>
#include <string_view>

namespace millrace::dpdk {

namespace {

struct Driver {
  std::string_view name;
  std::vector<std::string_view> keys;
};

const std::vector<Driver>& drivers() {
  static const std::vector<Driver> known{
      {"net_tap", {"iface", "mac", "remote", "persist", "speed"}},
      {"net_af_packet", {"iface", "qpairs", "blocksz", "framesz", "framecnt", "qdisc_bypass"}},
      {"net_af_xdp",
       {"iface", "start_queue", "queue_count", "shared_umem", "xdp_prog", "budget", "busy_budget",
        "force_copy"}},
      {"net_memif",
       {"id", "role", "bsize", "rsize", "socket", "socket-abstract", "owner-uid", "owner-gid",
        "mac", "zero-copy", "secret"}},
      {"net_ring", {"nodeaction", "internal"}},
      {"net_pcap",
       {"rx_pcap", "tx_pcap", "rx_iface", "rx_iface_in", "tx_iface", "iface", "phy_mac",
        "infinite_rx"}},
      {"net_virtio_user",
       {"path", "mac", "cq", "queue_size", "queues", "iface", "server", "mrg_rxbuf", "in_order",
        "packed_vq", "speed", "vectorized"}},
      {"net_vhost",
       {"iface", "queues", "client", "dequeue-zero-copy", "iommu-support", "postcopy-support",
        "tso", "linear-buffer", "ext-buffer", "legacy-ol-flags"}},
      {"net_null", {"size", "copy", "no-rx"}},
  };
  return known;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

/// The candidate nearest to `word`, empty if none is near.
std::string nearest(std::string_view word, const std::vector<std::string_view>& candidates) {
  std::string_view best;
  std::size_t least = std::max<std::size_t>(word.size() / 3, 2) + 1;
  for (const std::string_view candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return std::string(best);
}

std::string joined(const std::vector<std::string_view>& words) {
  std::string text;
  for (const std::string_view word : words) {
    if (!text.empty()) text += ", ";
    text += word;
  }
  return text;
}

bool hex(std::string_view text, std::size_t size) {
  return text.size() == size && std::all_of(text.begin(), text.end(), [](char c) {
           return std::isxdigit(static_cast<unsigned char>(c)) != 0;
         });
}

/// The full form DDDD:BB:DD.F of a PCI address in full or short form, empty if it is none.
std::string pci_address(std::string_view text) {
  const std::string full = std::count(text.begin(), text.end(), ':') == 1
                               ? "0000:" + std::string(text)
                               : std::string(text);
  const std::string_view f = full;
  const bool ok = f.size() == 12 && hex(f.substr(0, 4), 4) && f[4] == ':' &&
                  hex(f.substr(5, 2), 2) && f[7] == ':' && hex(f.substr(8, 2), 2) && f[10] == '.' &&
                  f[11] >= '0' && f[11] <= '7';
  if (!ok) return {};
  std::string lower = full;
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

Error unknown_driver(const DeviceSpec& spec) {
  std::vector<std::string_view> names;
  for (const Driver& d : drivers()) names.push_back(d.name);
  Error error{ErrorKind::usage,
              "The device '" + spec.text +
                  "' names neither a driver nor a PCI address; drivers are " + joined(names) +
                  ", addresses look like 0000:03:00.0.",
              ""};
  const bool prefixed = spec.driver.starts_with("net_");
  const std::string near = nearest(prefixed ? spec.driver : "net_" + spec.driver, names);
  if (!near.empty())
    error.hint = "Did you mean " + near + "0" + spec.text.substr(spec.name.size()) + "?";
  return error;
}

Status check_arguments(const DeviceSpec& spec, const Driver& driver) {
  for (const auto& [key, value] : spec.arguments) {
    if (std::find(driver.keys.begin(), driver.keys.end(), key) == driver.keys.end()) {
      const std::string near = nearest(key, driver.keys);
      return Error{ErrorKind::usage,
                   "The device '" + spec.text + "' has the argument '" + key + "', which " +
                       spec.driver + " does not know; it knows " + joined(driver.keys) + ".",
                   near.empty() ? "" : "Did you mean " + near + "=" + value + "?"};
    }
    if (key == "iface" && spec.driver == "net_tap" && value.size() >= IFNAMSIZ) {
      return Error{
          ErrorKind::usage,
          "The interface name '" + value + "' is too long: the kernel takes 15 characters.", ""};
    }
  }
  return Ok{};
}

Status need(Capability capability, const char* name, const DeviceSpec& spec,
            const Machine& machine) {
  if (machine.has(capability)) return Ok{};
  return Error{
      ErrorKind::environment,
      "Opening '" + spec.name + "' needs " + std::string(name) +
          ", which this process does not have.",
      "Run as root, or: sudo setcap " +
          std::string(capability == Capability::net_admin ? "cap_net_admin" : "cap_net_raw") +
          "+ep $(command -v millrace), or inside: unshare -Urn"};
}

Status check_interface(const DeviceSpec& spec) {
  const std::string name = spec.argument("iface");
  if (name.empty()) {
    return Error{ErrorKind::usage, "The device '" + spec.text + "' does not say which interface.",
                 "Write " + spec.name + ",iface=NAME."};
  }
  if (if_nametoindex(name.c_str()) == 0) {
    return Error{ErrorKind::environment,
                 "There is no network interface '" + name + "' for '" + spec.name + "'.",
                 "ip link show lists those that are there."};
  }
  return Ok{};
}

/// A tap that someone else holds would be joined as one more queue of it, and share its frames.
Status check_tap_is_free(const DeviceSpec& spec) {
  const std::string name = spec.argument("iface");
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (name.empty() || fd < 0) return Ok{};
  ifreq request{};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  const bool there = ioctl(fd, SIOCGIFFLAGS, &request) == 0;
  close(fd);
  if (!there || (request.ifr_flags & IFF_RUNNING) == 0) return Ok{};
  return Error{ErrorKind::environment,
               "The interface '" + name +
                   "' is in use: it exists and its link is up, so another process holds it or it "
                   "is no tap.",
               "Name another: " + spec.name + ",iface=NAME"};
}

Status check_pci(const DeviceSpec& spec, const Machine& machine) {
  const auto info = machine.pci(spec.name);
  if (!info) {
    std::string there;
    for (const PciInfo& nic : machine.network_functions()) {
      there += (there.empty() ? "" : ", ") + nic.address;
    }
    return Error{ErrorKind::environment, "There is no PCI device at " + spec.name + ".",
                 there.empty()
                     ? "This machine has no network controller on PCI: lspci shows what it "
                       "has."
                     : "Network controllers are at " + there + "."};
  }
  const std::string bind = "sudo dpdk-devbind.py --bind=vfio-pci " + spec.name;
  if (!info->bound_for_userspace()) {
    const std::string driver =
        info->driver.empty() ? "no driver" : "the kernel's driver " + info->driver;
    const std::string interface =
        info->interfaces.empty() ? "" : " (interface " + info->interfaces.front() + ")";
    return Error{ErrorKind::environment,
                 "The PCI device " + spec.name + " is bound to " + driver + interface +
                     ", not to one that lets a process own it.",
                 bind};
  }
  if (info->driver != "vfio-pci") return Ok{};
  std::string others;
  for (const PciNeighbour& other : info->in_group) {
    if (other.driver.empty() || other.driver == "vfio-pci" || other.driver == "pcieport") continue;
    others += (others.empty() ? "" : ", ") + other.address + " (" + other.driver + ")";
  }
  if (!others.empty()) {
    return Error{ErrorKind::environment,
                 "The VFIO group " + std::to_string(info->iommu_group) + " of " + spec.name +
                     " is not viable: other devices of the group belong to the kernel: " + others +
                     ".",
                 "Bind them to vfio-pci as well, or unbind them: dpdk-devbind.py --unbind ADDRESS"};
  }
  const std::string group = "/dev/vfio/" + std::to_string(info->iommu_group);
  if (info->iommu_group >= 0 && access(group.c_str(), R_OK | W_OK) != 0) {
    return Error{
        ErrorKind::environment,
        "No permission to open " + group + ", the VFIO group of " + spec.name + ".",
        "Run as root, or: sudo chown $USER " + group + " (and raise: ulimit -l unlimited)"};
  }
  return Ok{};
}

}  // namespace

std::string DeviceSpec::argument(const std::string& key) const {
  for (const auto& [name_of, value] : arguments) {
    if (name_of == key) return value;
  }
  return {};
}

Result<DeviceSpec> parse_device(const std::string& text) {
  DeviceSpec spec;
  spec.text = text;
  const std::size_t comma = text.find(',');
  spec.name = text.substr(0, comma);
  for (std::size_t at = comma; at != std::string::npos;) {
    const std::size_t next = text.find(',', at + 1);
    const std::string word = text.substr(at + 1, next == std::string::npos ? next : next - at - 1);
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos || equals == 0) {
      return Error{ErrorKind::usage,
                   "The device '" + text + "' has '" + word + "' where KEY=VALUE is expected.",
                   "For example net_tap0,iface=mr0"};
    }
    spec.arguments.emplace_back(word.substr(0, equals), word.substr(equals + 1));
    at = next;
  }
  const std::string address = pci_address(spec.name);
  if (!address.empty()) {
    spec.pci = true;
    spec.text = address + text.substr(spec.name.size());
    spec.name = address;
    return spec;
  }
  spec.driver = spec.name;
  while (!spec.driver.empty() &&
         std::isdigit(static_cast<unsigned char>(spec.driver.back())) != 0) {
    spec.driver.pop_back();
  }
  for (const Driver& driver : drivers()) {
    if (driver.name != spec.driver) continue;
    Status checked = check_arguments(spec, driver);
    if (!checked) return checked.error();
    return spec;
  }
  return unknown_driver(spec);
}

Status check_device(const DeviceSpec& spec, const Machine& machine) {
  if (spec.pci) return check_pci(spec, machine);
  if (spec.driver == "net_tap") {
    if (access("/dev/net/tun", F_OK) != 0) {
      return Error{ErrorKind::environment,
                   "There is no /dev/net/tun, which '" + spec.name + "' needs.",
                   "sudo modprobe tun, or give the container --device /dev/net/tun"};
    }
    Status free = check_tap_is_free(spec);
    if (!free) return free;
    return need(Capability::net_admin, "CAP_NET_ADMIN", spec, machine);
  }
  if (spec.driver == "net_af_packet" || spec.driver == "net_af_xdp") {
    Status there = check_interface(spec);
    if (!there) return there;
    if (spec.driver == "net_af_xdp") {
      return need(Capability::net_admin, "CAP_NET_ADMIN", spec, machine);
    }
    return need(Capability::net_raw, "CAP_NET_RAW", spec, machine);
  }
  return Ok{};
}

std::string telling_line(const std::string& log) {
  std::string telling;
  for (std::size_t at = 0; at < log.size();) {
    const std::size_t end = std::min(log.find('\n', at), log.size());
    std::string_view line(log.data() + at, end - at);
    at = end + 1;
    // EAL: ... repeats what the driver said before it; the driver knows more. A tap does without
    // the queueing discipline that it would like to have, and without signals as we wish.
    const bool general = line.starts_with("EAL: Driver cannot attach") ||
                         line.starts_with("EAL: Failed to attach") ||
                         line.find("qdisc") != line.npos || line.find("rte flow") != line.npos ||
                         line.find("rt-signals") != line.npos;
    if (line.empty() || general) continue;
    if (line.starts_with("EAL: ")) line.remove_prefix(5);
    const std::size_t function = line.find("(): ");
    if (function != std::string_view::npos) line.remove_prefix(function + 4);
    if (telling.empty()) telling = line;  // what failed first is the cause
  }
  return telling;
}

Error explain_failed_device(const DeviceSpec& spec, const std::string& log) {
  const auto says = [&log](const char* part) { return log.find(part) != std::string::npos; };
  Error error{ErrorKind::environment, "", ""};
  if (says("TUNSETIFF") && says("busy")) {
    error.sentence = "The interface '" + spec.argument("iface") + "' is in use by another process.";
    error.hint = "Name another: " + spec.name + ",iface=NAME";
  } else if (says("TUNSETIFF") && says("not permitted")) {
    error.sentence = "The kernel does not permit '" + spec.name + "' to make a tap interface.";
    error.hint = "Run as root, or inside: unshare -Urn";
  } else {
    const std::string line = telling_line(log);
    error.sentence = "The device '" + spec.text + "' could not be opened" +
                     (line.empty() ? "; DPDK says nothing more." : ": DPDK says \"" + line + "\".");
  }
  return error;
}

}  // namespace millrace::dpdk
