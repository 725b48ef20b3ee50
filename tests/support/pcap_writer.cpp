// SPDX-License-Identifier: BSD-3-Clause
//
// The capture file: a header of 24 bytes, and 16 bytes before each frame.
#include "tests/support/pcap_writer.h"

#include <fstream>

namespace millrace::test {
namespace {

void put32(std::ofstream& out, std::uint32_t value) {
  char bytes[4];
  for (int i = 0; i < 4; ++i) bytes[i] = static_cast<char>(value >> (8 * i));
  out.write(bytes, sizeof bytes);
}

}  // namespace

void Capture::add(Instant at, std::span<const std::byte> frame) {
  records_.push_back({at, {frame.begin(), frame.end()}});
  bytes_ += frame.size();
  while (bytes_ > max_bytes_) {
    bytes_ -= records_.front().frame.size();
    records_.pop_front();
  }
}

bool Capture::write(const std::string& path) const {
  std::ofstream out(path, std::ios::binary);
  put32(out, 0xa1b23c4d);  // nanoseconds
  put32(out, 2 | (4U << 16));
  put32(out, 0);
  put32(out, 0);
  put32(out, 65535);
  put32(out, 1);  // Ethernet
  for (const Record& r : records_) {
    const auto ns = static_cast<std::uint64_t>(r.at.time_since_epoch().count());
    put32(out, static_cast<std::uint32_t>(ns / 1'000'000'000));
    put32(out, static_cast<std::uint32_t>(ns % 1'000'000'000));
    put32(out, static_cast<std::uint32_t>(r.frame.size()));
    put32(out, static_cast<std::uint32_t>(r.frame.size()));
    out.write(reinterpret_cast<const char*>(r.frame.data()),
              static_cast<std::streamsize>(r.frame.size()));
  }
  return out.good();
}

}  // namespace millrace::test
