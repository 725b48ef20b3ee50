// SPDX-License-Identifier: BSD-3-Clause
//
// The spelling of device names. Unknown driver names get the nearest one that DPDK has.
#include "apps/config/parse_device.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "apps/config/parse_value.h"
#include "apps/config/suggest.h"

namespace millrace {
namespace {

// The virtual devices of DPDK 22.11 that carry Ethernet.
const std::vector<std::string>& virtual_drivers() {
  static const std::vector<std::string> kDrivers{
      "net_tap",  "net_ring",    "net_af_packet", "net_af_xdp",      "net_memif",
      "net_pcap", "net_null",    "net_tun",       "net_virtio_user", "net_vhost",
      "net_kni",  "net_bonding", "net_failsafe"};
  return kDrivers;
}

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// `form` with x for a hexadecimal digit.
bool has_form(std::string_view word, std::string_view form) {
  if (word.size() != form.size()) return false;
  for (std::size_t i = 0; i < word.size(); ++i) {
    if (form[i] == 'x' ? !is_hex(word[i]) : word[i] != form[i]) return false;
  }
  return true;
}

// A name the kernel would give an interface: eth0, ens1f0, veth1, enp3s0.
bool looks_like_interface(std::string_view word) {
  for (const std::string_view start : {"eth", "en", "veth", "wl", "br", "lo", "bond"}) {
    if (word.starts_with(start) && word.find(',') == std::string_view::npos) return true;
  }
  return false;
}

std::string suggest_device(std::string_view word, std::string_view driver, std::string_view number,
                           std::string_view arguments) {
  if (has_form(word, "xx:xx.x")) return fmt::format("try 0000:{}", word);
  if (looks_like_interface(word)) return fmt::format("try net_af_packet0,iface={}", word);
  std::string found = nearest(driver, virtual_drivers());
  if (found.empty()) found = nearest("net_" + std::string(driver), virtual_drivers());
  if (found.empty()) return "try net_tap0,iface=mr0";
  return fmt::format("did you mean {}{}{}?", found, number.empty() ? "0" : number, arguments);
}

}  // namespace

Result<std::string> parse_device(std::string_view word) {
  if (has_form(word, "xxxx:xx:xx.x")) return std::string(word);
  const std::size_t comma = std::min(word.find(','), word.size());
  const std::string_view name = word.substr(0, comma);
  const std::size_t digits = name.find_last_not_of("0123456789") + 1;
  const std::string_view driver = name.substr(0, digits);
  const std::string_view number = name.substr(digits);
  const std::string_view arguments = word.substr(comma);
  const auto& known = virtual_drivers();
  // Drivers that we do not list may be there as plugins: net_ and a number is enough to ask the
  // EAL.
  const bool is_known = std::find(known.begin(), known.end(), driver) != known.end();
  const bool near_known = !is_known && !nearest(driver, known).empty();
  if (driver.starts_with("net_") && !number.empty() && !near_known) {
    if (comma == word.size() || arguments.find('=') != std::string_view::npos) {
      return std::string(word);
    }
    return bad_word(word, "a device", "NAME,KEY=VALUE after the driver's name",
                    fmt::format("try {}{},iface=mr0", driver, number));
  }
  return bad_word(word, "a device",
                  "a name as DPDK gives it, as net_tap0,iface=mr0 or 0000:01:00.0",
                  suggest_device(word, driver, number, arguments));
}

}  // namespace millrace
