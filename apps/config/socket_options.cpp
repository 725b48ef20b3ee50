// SPDX-License-Identifier: BSD-3-Clause
//
// Declares them, with what each may be: the ranges are those of the endpoint's own check.
#include "apps/config/socket_options.h"

#include <algorithm>
#include <vector>

#include "apps/config/parse_value.h"

namespace millrace {
namespace {

/// "off", "10s", "10s,1s", "10s,1s,5": idle time, interval, number of probes.
Result<Keepalive> parse_keepalive(std::string_view word) {
  if (word == "off") return Keepalive{};
  const auto bad = [&] {
    return bad_word(word, "a keepalive", "off, or IDLE[,INTERVAL[,COUNT]]: 1ms to 24h, 1 to 60",
                    "try 10s,2s,5");
  };
  std::vector<std::string_view> parts;
  for (std::size_t from = 0; from <= word.size();) {
    const std::size_t comma = std::min(word.find(',', from), word.size());
    parts.push_back(word.substr(from, comma - from));
    from = comma + 1;
  }
  if (parts.size() > 3) return bad();
  Keepalive k;
  k.on = true;
  const auto idle = parse_duration(parts[0], 1ms, kMaxTimeout);
  if (!idle) return bad();
  k.idle = idle.value();
  if (parts.size() > 1) {
    const auto interval = parse_duration(parts[1], 1ms, kMaxTimeout);
    if (!interval) return bad();
    k.interval = interval.value();
  }
  if (parts.size() > 2) {
    const auto count = parse_count(parts[2], 1, 60);
    if (!count) return bad();
    k.count = static_cast<std::uint8_t>(count.value());
  }
  return k;
}

Result<Duration> parse_linger(std::string_view word) {
  if (word == "off") return tcp::kNoLinger;
  auto time = parse_duration(word, 0s, kMaxTimeout);
  if (time) return time;
  return bad_word(word, "a time to linger", "off, or 0s to 24h", "try 5s");
}

}  // namespace

void add_socket_options(OptionSet& set, SocketOptions& o) {
  set.value("keepalive", "IDLE[,INTERVAL[,COUNT]]",
            "probes a peer that has said nothing for so long, each interval again, and ends the "
            "connection when so many got no answer: 10s,2s,5 (default off; else 75s and 9)",
            o.keepalive, parse_keepalive);
  set.value("linger", "TIME",
            "how long close() may take to deliver what is queued: when it is over a reset ends it, "
            "with 0s at once; off: as long as retries go on (default off)",
            o.linger, parse_linger);
  set.value("defer-accept", "TIME",
            "a listener tells of a connection when its first text has come, or after this time: 0s "
            "to 1h (default 0s: at once)",
            o.defer_accept, duration_between(0s, 1h));
  set.value("max-segment", "BYTES",
            "largest segment either way, 48 to 65495 (default: as the MTU allows)", o.max_segment,
            count_between(48, 65'495));
  set.value("min-peer-mss", "BYTES",
            "a peer that asks for smaller segments gets them of this size: 48 to 1460 (default "
            "216)",
            o.min_peer_mss, count_between(48, 1460));
  set.value("user-timeout", "TIME",
            "ends a connection whose text nobody has acknowledged for so long, up to 24h (default "
            "0s: by the number of retries)",
            o.user_timeout, duration_between(0s, kMaxTimeout));
  set.value("nodelay", "on|off",
            "small segments go at once and do not wait for the ACK of the last (default on for "
            "serve, off for load and loopback)",
            o.nodelay, parse_switch);
}

void apply(const SocketOptions& o, tcp::TcpConfig& profile) {
  profile.keepalive = o.keepalive.on;
  profile.keepalive_idle = o.keepalive.idle;
  profile.keepalive_interval = o.keepalive.interval;
  profile.keepalive_probes = o.keepalive.count;
  profile.linger = o.linger;
  profile.defer_accept = o.defer_accept;
  profile.max_segment = o.max_segment;
  profile.min_peer_mss = o.min_peer_mss;
  profile.user_timeout = o.user_timeout;
  if (o.nodelay) profile.nagle = !*o.nodelay;
}

}  // namespace millrace
