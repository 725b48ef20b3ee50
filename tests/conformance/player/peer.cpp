// SPDX-License-Identifier: BSD-3-Clause
//
// Segments of the peer. The option encoder is this folder's own, so that a script can say what
// tcp/wire/emit.h never would.
#include "tests/conformance/player/peer.h"

#include <algorithm>
#include <cstring>

#include "tcp/base/check.h"
#include "tcp/wire/bytes.h"
#include "tcp/wire/emit.h"
#include "tcp/wire/parse.h"

namespace millrace::script {
namespace {

constexpr std::size_t kFixedHeader = 20;
constexpr std::uint16_t kUsualWindow = 65'535;

class Bytes {
 public:
  void put(std::uint64_t value, int count) {
    for (int i = count - 1; i >= 0; --i) {
      bytes_.push_back(static_cast<std::byte>((value >> (8 * i)) & 0xff));
    }
  }
  void pad() {
    while (bytes_.size() % 4 != 0) put(1, 1);
  }
  [[nodiscard]] std::vector<std::byte>& all() { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

[[nodiscard]] std::uint32_t absolute(std::uint32_t origin, Relative number) {
  return origin + static_cast<std::uint32_t>(number);
}
[[nodiscard]] Relative relative(std::uint32_t origin, std::uint32_t number) {
  return static_cast<std::int32_t>(number - origin);
}

[[nodiscard]] Bytes encode_options(const Peer& peer, const OptionList& list) {
  Bytes b;
  if (list.mss) b.put(0x0204'0000U | *list.mss, 4);
  if (list.sackok) b.put(0x0402, 2);
  if (list.wscale) b.put(0x0303'00U | *list.wscale, 3);
  if (list.has_ts) {
    const std::uint32_t echo =
        list.echo_latest ? peer.our_last_tsval
                         : absolute(peer.our_first_tsval.value_or(0), list.tsecr.value_or(0));
    b.put(0x080a, 2);
    b.put(static_cast<std::uint32_t>(list.tsval.value_or(0)), 4);
    b.put(echo, 4);
  }
  if (!list.sack.empty()) {
    b.put(0x0500U | (2 + 8 * list.sack.size()), 2);
    for (const Block& block : list.sack) {
      b.put(absolute(peer.our_isn.value_or(0), block.left), 4);
      b.put(absolute(peer.our_isn.value_or(0), block.right), 4);
    }
  }
  if (list.fast_open) {
    const auto& cookie = list.fast_open->any ? peer.granted : list.fast_open->cookie;
    b.put(0x2200U | (2 + cookie.size()), 2);
    for (const std::uint8_t byte : cookie) b.put(byte, 1);
  }
  for (const std::uint8_t byte : list.raw) b.put(byte, 1);
  b.pad();
  return b;
}

[[nodiscard]] std::vector<std::uint8_t> cookie_of(const tcp::Options& o) {
  std::vector<std::uint8_t> cookie;
  for (std::size_t i = 0; i < o.cookie_bytes; ++i) {
    cookie.push_back(std::to_integer<std::uint8_t>(o.cookie[i]));
  }
  return cookie;
}

void learn(Peer& peer, const tcp::SegmentIn& s) {
  if (s.flags.syn() && !peer.our_isn) peer.our_isn = s.seq.raw();
  if (s.flags.syn() && s.options.has_fast_open()) peer.granted = cookie_of(s.options);
  if (!s.options.has_timestamps()) return;
  if (!peer.our_first_tsval) peer.our_first_tsval = s.options.tsval;
  peer.our_last_tsval = s.options.tsval;
}

[[nodiscard]] OptionList read_options(const Peer& peer, const tcp::SegmentIn& s) {
  OptionList list;
  const tcp::Options& o = s.options;
  list.mode = OptionList::Mode::exact;
  if (o.has_mss()) list.mss = o.mss;
  if (o.has_window_scale()) list.wscale = o.window_scale;
  list.sackok = o.has_sack_permitted();
  list.has_ts = o.has_timestamps();
  if (list.has_ts) {
    list.tsval = relative(*peer.our_first_tsval, o.tsval);
    list.tsecr = o.tsecr;
  }
  if (o.has_fast_open()) list.fast_open.emplace().cookie = cookie_of(o);
  for (std::size_t i = 0; i < o.sack_count; ++i) {
    list.sack.push_back(
        {relative(peer.isn, o.sack[i].left.raw()), relative(peer.isn, o.sack[i].right.raw())});
  }
  return list;
}

}  // namespace

char stream_byte(bool from_peer, std::uint64_t place) {
  const std::uint64_t mixed = place * (from_peer ? 7 : 11) + place / 253;
  return static_cast<char>('!' + mixed % 89);
}

std::vector<std::byte> to_bytes(const Peer& peer, const Segment& s) {
  Bytes options = encode_options(peer, s.options);
  const std::size_t header = kFixedHeader + options.all().size();
  MR_CHECK(header <= 60);
  Bytes b;
  b.put(peer.tuple.remote_port, 2);
  b.put(peer.tuple.local_port, 2);
  b.put(absolute(peer.isn, s.seq), 4);
  b.put(s.ack ? absolute(peer.our_isn.value_or(0), *s.ack) : 0, 4);
  b.put(header << 2, 1);
  b.put(s.flags, 1);
  b.put(s.win.value_or(kUsualWindow), 2);
  b.put(0, 2);  // the checksum is judged below the endpoint
  b.put(s.urg.value_or(0), 2);
  std::vector<std::byte> bytes = std::move(b.all());
  bytes.insert(bytes.end(), options.all().begin(), options.all().end());
  const Relative first = s.seq + ((s.flags & tcp::Flags::kSyn) != 0 ? 1 : 0);
  for (std::uint32_t i = 0; i < s.length; ++i) {
    const char c =
        s.text ? (*s.text)[i] : stream_byte(true, static_cast<std::uint64_t>(first + Relative{i}));
    bytes.push_back(static_cast<std::byte>(c));
  }
  return bytes;
}

Segment from_wire(Peer& peer, const tcp::SegmentOut& out) {
  std::vector<std::byte> bytes(tcp::header_bytes(out));
  const std::size_t header = tcp::emit_header(out, bytes.data());
  MR_CHECK(header == bytes.size());
  for (std::size_t i = 0; i < out.piece_count; ++i) {
    bytes.insert(bytes.end(), out.pieces[i].begin(), out.pieces[i].end());
  }
  tcp::Ports ports;
  tcp::SegmentIn in;
  MR_CHECK(tcp::parse_segment(bytes, ports, in) == Drop::none);
  Segment s = from_wire(peer, in);
  s.ttl = out.ttl;
  s.dscp = out.dscp;
  s.ecn = out.ecn;
  return s;
}

Segment from_wire(Peer& peer, const tcp::SegmentIn& in) {
  learn(peer, in);
  Segment s;
  s.flags = in.flags.bits;
  s.seq = relative(peer.our_isn.value_or(0), in.seq.raw());
  s.length = static_cast<std::uint32_t>(in.payload.size());
  if (in.flags.ack()) s.ack = relative(peer.isn, in.ack.raw());
  s.win = in.window;
  if (in.urgent != 0 || in.flags.urg()) s.urg = in.urgent;
  s.text = std::string(reinterpret_cast<const char*>(in.payload.data()), in.payload.size());
  s.options = read_options(peer, in);
  if (in.flags.syn() && peer.previous_isn) {
    s.beyond = relative(*peer.previous_isn, in.seq.raw());
  }
  return s;
}

}  // namespace millrace::script
