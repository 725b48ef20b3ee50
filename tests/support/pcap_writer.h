// SPDX-License-Identifier: BSD-3-Clause
//
// Writes captures that tshark and Wireshark open: classic pcap, Ethernet, nanoseconds,
// little-endian (draft-ietf-opsawg-pcap). Records are kept in memory up to a bound, oldest dropped
// first, and written only when asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "tcp/base/time.h"

namespace millrace::test {

class Capture {
 public:
  explicit Capture(std::size_t max_bytes = std::size_t{64} << 20) : max_bytes_(max_bytes) {}

  void add(Instant at, std::span<const std::byte> frame);
  [[nodiscard]] std::size_t frames() const { return records_.size(); }
  /// False if the file cannot be written.
  bool write(const std::string& path) const;

 private:
  struct Record {
    Instant at;
    std::vector<std::byte> frame;
  };
  std::deque<Record> records_;
  std::size_t bytes_ = 0;
  std::size_t max_bytes_;
};

}  // namespace millrace::test
