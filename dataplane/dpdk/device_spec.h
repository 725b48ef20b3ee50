// SPDX-License-Identifier: BSD-3-Clause
//
// A device as the operator names it, checked before DPDK sees it: DPDK ignores PCI addresses that
// are not there and misspelt device arguments, and explains missing permissions badly.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "dataplane/probe.h"
#include "tcp/base/result.h"

namespace millrace::dpdk {

struct DeviceSpec {
  std::string text;    // the whole: net_tap0,iface=mr0
  std::string name;    // net_tap0, or the full PCI address
  std::string driver;  // net_tap; empty for PCI until it is opened
  bool pci = false;
  std::vector<std::pair<std::string, std::string>> arguments;

  [[nodiscard]] std::string argument(const std::string& key) const;
};

/// Errors: usage, with the nearest spelling.
[[nodiscard]] Result<DeviceSpec> parse_device(const std::string& text);

/// What can be known before trying: is it there, may we, is it bound. Errors: environment.
[[nodiscard]] Status check_device(const DeviceSpec& spec, const Machine& machine);

/// What DPDK logged while it failed to open `spec`, as a sentence.
[[nodiscard]] Error explain_failed_device(const DeviceSpec& spec, const std::string& log);

/// The last line of DPDK's log that says something, without the names of its functions.
[[nodiscard]] std::string telling_line(const std::string& log);

}  // namespace millrace::dpdk
