// SPDX-License-Identifier: BSD-3-Clause
//
// Fuzz target: a whole TCP segment. Every field of a legal one is where RFC 9293 §3.1 draws it, the
// payload ends where the segment does, and the checksum agrees with one done two bytes at a time.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "tcp/base/check.h"
#include "tcp/wire/checksum.h"
#include "tcp/wire/parse.h"

namespace {

using namespace millrace;
using namespace millrace::tcp;

std::uint16_t slow_checksum(std::span<const std::uint8_t> bytes) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    sum += i % 2 == 0 ? std::uint64_t{bytes[i]} : std::uint64_t{bytes[i]} << 8;
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

void check_sums(std::span<const std::uint8_t> data) {
  const auto bytes = std::as_bytes(data);
  const std::uint16_t expected = slow_checksum(data);
  MR_CHECK(checksum_fold(checksum_add(0, bytes)) == expected);
  const std::unique_ptr<std::byte[]> copy(new std::byte[data.size()]);
  MR_CHECK(checksum_fold(checksum_copy(0, bytes, copy.get())) == expected);
  const std::size_t cut = data.empty() ? 0 : data[0] % (data.size() + 1);
  const std::uint64_t parts =
      checksum_combine(checksum_add(0, bytes.first(cut)), checksum_add(0, bytes.subspan(cut)), cut);
  MR_CHECK(checksum_fold(parts) == expected);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::uint8_t> all(data, size);
  check_sums(all);
  Ports ports;
  SegmentIn s;
  const Drop drop = parse_segment(std::as_bytes(all), ports, s);
  if (drop != Drop::none) {
    MR_CHECK(drop == Drop::tcp_truncated || drop == Drop::tcp_bad_offset ||
             drop == Drop::tcp_bad_options || drop == Drop::tcp_bad_ports);
    return 0;
  }
  const std::size_t header = std::size_t{data[12]} / 16 * 4;
  MR_CHECK(header >= 20 && header <= size);
  const auto* payload = reinterpret_cast<const std::uint8_t*>(s.payload.data());
  MR_CHECK(payload == data + header && s.payload.size() == size - header);
  const auto field = [&](std::size_t at, int bytes) {
    std::uint32_t value = 0;
    for (int i = 0; i < bytes; ++i) value = value << 8 | data[at + static_cast<std::size_t>(i)];
    return value;
  };
  MR_CHECK(ports.source == field(0, 2) && ports.destination == field(2, 2));
  MR_CHECK(s.seq.raw() == field(4, 4) && s.ack.raw() == field(8, 4));
  MR_CHECK(s.flags.bits == data[13] && s.window == field(14, 2) && s.urgent == field(18, 2));
  Options again;
  MR_CHECK(parse_options(std::as_bytes(all.subspan(20, header - 20)), again));
  MR_CHECK(again.has == s.options.has && again.sack_count == s.options.sack_count);
  return 0;
}
