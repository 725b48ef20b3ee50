// SPDX-License-Identifier: BSD-3-Clause
//
// A script as a value: what README.md of tests/conformance/scripts describes. parse_script() makes
// it of text, for one address family; player.h plays it.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "tcp/base/drop.h"
#include "tcp/base/state.h"
#include "tcp/base/time.h"
#include "tcp/endpoint/endpoint.h"

namespace millrace::script {

/// A text that is no script: "FILE:LINE: expected WHAT, found 'WORD'".
struct ParseError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A sequence number or timestamp counted from where its side began; may be negative.
using Relative = std::int64_t;

/// A timestamp: nothing for `*`.
using Stamp = std::optional<Relative>;

struct Block {
  Relative left = 0, right = 0;
  friend bool operator==(const Block&, const Block&) = default;
};

/// A Fast Open option: the cookie, none to ask for one. `any`: expected is whatever cookie;
/// injected is the last that was granted.
struct FastOpenOption {
  bool any = false;
  std::vector<std::uint8_t> cookie;
};

/// What stands in the brackets of a segment.
struct OptionList {
  enum class Mode : std::uint8_t {
    absent,  // no brackets: expected are none but timestamps
    any,     // [...]
    exact,
  };
  Mode mode = Mode::absent;
  std::optional<std::uint16_t> mss;
  std::optional<std::uint8_t> wscale;
  bool sackok = false;
  bool has_ts = false;
  Stamp tsval;
  Stamp tsecr;
  bool echo_latest = false;  // to be injected: TSecr is the last TSval that came
  std::vector<Block> sack;
  std::optional<FastOpenOption> fast_open;
  std::vector<std::uint8_t> raw;  // bytes as they are, behind the others
};

struct Segment {
  std::uint8_t flags = 0;
  Relative seq = 0;
  std::uint32_t length = 0;
  std::optional<Relative> ack;
  std::optional<std::uint16_t> win;
  std::optional<std::uint16_t> urg;
  std::optional<std::string> text;  // payload that is not the usual pattern
  std::optional<Relative> beyond;   // a new ISN must lie beyond this number of the old one
  std::optional<std::uint8_t> ttl, dscp;
  std::uint8_t ecn = 0;  // the two bits of the IP header
  OptionList options;
};

enum class Kind : std::uint8_t {
  inject,
  expect,
  event,
  listen,
  unlisten,
  passive,  // a whole handshake, the peer's SYN first
  active,   // the same, ours first
  connect,
  send,
  read,
  reading,
  shutdown,
  close,
  abort,
  nodelay,
  icmp,
  state,
  check,
  count,
  silence,
  renumber,
};

struct Step {
  Kind kind = Kind::silence;
  int line = 0;
  std::string peer = "a";
  Duration time{};         // nominal; of `silence`: its end
  Segment segment;         // inject, expect, passive, active
  bool joined = false;     // inject: in one burst with the next one
  Drop drop = Drop::none;  // inject, icmp: expected
  tcp::EventKind event = tcp::EventKind::closed;
  tcp::CloseReason reason = tcp::CloseReason::none;
  /// Bytes (connect: sent before the SYN goes out), a backlog, an MTU, or what check and count
  /// compare with.
  std::uint64_t amount = 0;
  std::uint64_t result = 0;  // send: bytes taken
  std::string name;          // check: the field; count: the counter
  bool flag = false;         // reading, nodelay: on; icmp: hard
  Duration rtt{};            // passive, active
  tcp::State state = tcp::State::closed;
  tcp::OpenError error = tcp::OpenError::none;
  tcp::IcmpError::Kind icmp = tcp::IcmpError::Kind::unreachable;
};

struct Script {
  std::string path;
  std::vector<std::string> lines;  // as written, for the report
  tcp::EndpointConfig config;
  std::uint32_t peer_isn = 0;
  std::vector<Step> steps;
};

/// Throws ParseError. `path` is for messages alone.
[[nodiscard]] Script parse_script(const std::string& path, const std::string& text, bool ipv6);
[[nodiscard]] Script load_script(const std::string& path, bool ipv6);

/// Names as scripts write them.
[[nodiscard]] std::string_view script_name(tcp::State state);
[[nodiscard]] std::string_view script_name(tcp::OpenError error);

/// Segments and times as scripts write them.
[[nodiscard]] std::string to_text(const Segment& segment);
[[nodiscard]] std::string to_text(Duration time);

}  // namespace millrace::script
