// SPDX-License-Identifier: BSD-3-Clause
//
// The other end of one connection, as a script writes it: where the numbers of both sides begin,
// and the bytes of a segment made of symbolic numbers and back.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "tcp/base/four_tuple.h"
#include "tcp/endpoint/endpoint.h"
#include "tcp/wire/segment.h"
#include "tests/conformance/player/script.h"

namespace millrace::script {

struct Peer {
  std::string name;
  FourTuple tuple;  // seen from Millrace
  std::uint32_t isn = 0;
  std::optional<std::uint32_t> our_isn;
  std::optional<std::uint32_t> previous_isn;  // ours, before `renumber`
  std::optional<std::uint32_t> our_first_tsval;
  std::uint32_t our_last_tsval = 0;
  std::vector<std::uint8_t> granted;  // the Fast Open cookie that came last
  std::optional<tcp::ConnectionId> id;
  bool active = false;
  std::uint64_t sent_bytes = 0;       // given to send()
  std::uint64_t delivered_bytes = 0;  // taken by the application
};

/// The byte at a place of the stream, the first payload byte being 1.
[[nodiscard]] char stream_byte(bool from_peer, std::uint64_t place);

/// The TCP header and payload that the peer sends.
[[nodiscard]] std::vector<std::byte> to_bytes(const Peer& peer, const Segment& segment);

/// What the endpoint sent, in the peer's numbers; learns where ours begin. `payload` and header
/// have been through bytes.
[[nodiscard]] Segment from_wire(Peer& peer, const tcp::SegmentOut& out);
/// The same of a segment that came over a wire.
[[nodiscard]] Segment from_wire(Peer& peer, const tcp::SegmentIn& in);

}  // namespace millrace::script
