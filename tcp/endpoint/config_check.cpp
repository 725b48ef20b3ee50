// SPDX-License-Identifier: BSD-3-Clause
//
// The ranges of the configuration, one line each.
#include "tcp/endpoint/config_check.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "tcp/connection/cold.h"
#include "tcp/endpoint/fast_open_pending.h"

namespace millrace::tcp {
namespace {

/// Collects the first complaint.
class Checker {
 public:
  void range(std::string_view field, std::int64_t value, std::int64_t least, std::int64_t most) {
    if (value >= least && value <= most) return;
    complain(name(field) + " is " + std::to_string(value) + ": it must lie between " +
             std::to_string(least) + " and " + std::to_string(most) + ".");
  }
  void duration(std::string_view field, Duration value, Duration least, Duration most) {
    if (value >= least && value <= most) return;
    complain(name(field) + " is " + text(value) + ": it must lie between " + text(least) + " and " +
             text(most) + ".");
  }
  void set_prefix(std::string prefix) { prefix_ = std::move(prefix); }

  [[nodiscard]] Status result() && {
    if (complaint_.empty()) return Ok{};
    return Error{ErrorKind::usage, std::move(complaint_), {}};
  }

 private:
  [[nodiscard]] std::string name(std::string_view field) const {
    return prefix_ + std::string(field);
  }
  [[nodiscard]] static std::string text(Duration d) {
    if (d % Duration(1s) == Duration::zero()) return std::to_string(d / Duration(1s)) + " s";
    if (d % Duration(1ms) == Duration::zero()) return std::to_string(d / Duration(1ms)) + " ms";
    return std::to_string(d.count()) + " ns";
  }
  void complain(std::string sentence) {
    if (complaint_.empty()) complaint_ = std::move(sentence);
  }

  std::string prefix_;
  std::string complaint_;
};

constexpr std::int64_t kMostPacing = std::int64_t{1} << 40;  // bytes a second
constexpr std::int64_t kMaxObjects = std::int64_t{1} << 28;

/// 0 is for a size that changes.
void check_buffer(Checker& check, const std::string& field, std::uint32_t fixed,
                  std::uint32_t initial, std::uint32_t most) {
  constexpr std::int64_t kLeast = kBlockBytes;
  constexpr std::int64_t kMost = std::int64_t{1} << 30;
  if (fixed != 0) return check.range(field, fixed, kLeast, kMost);
  check.range(field + "_initial", initial, kLeast, kMost);
  check.range(field + "_max", most, initial, kMost);
}

void check_fields(Checker& check, const TcpConfig& p) {
  check.range("mtu", p.mtu, 128, 65'535);
  check.range("max_segment", p.max_segment == 0 ? 48 : p.max_segment, 48, 65'495);
  check.range("min_peer_mss", p.min_peer_mss, 48, 1460);
  check_buffer(check, "receive_buffer", p.receive_buffer, p.receive_buffer_initial,
               p.receive_buffer_max);
  check_buffer(check, "send_buffer", p.send_buffer, p.send_buffer_initial, p.send_buffer_max);
  check.range("max_segment_burst", p.max_segment_burst, 0, 65'535);
  check.duration("min_rto", p.min_rto, 1ms, 60s);
  check.duration("max_rto", p.max_rto, p.min_rto, 1h);
  check.duration("initial_rto", p.initial_rto, p.min_rto, p.max_rto);
  check.range("syn_retries", p.syn_retries, 0, 15);
  check.range("data_retries", p.data_retries, 1, 60);
  check.duration("delayed_ack", p.delayed_ack, 0s, 500ms);  // RFC 1122 §4.2.3.2: less than 0.5 s
  check.range("fast_open_backlog", p.fast_open_backlog, 1, FastOpenPending::kMost);
  check.duration("two_msl", p.two_msl, 0s, 240s);
  check.duration("fin_wait_2", p.fin_wait_2, 1ms, 1h);
  check.duration("user_timeout", p.user_timeout, 0s, kMaxTimeout);
  check.duration("defer_accept", p.defer_accept, 0s, 1h);
  if (p.linger != kNoLinger) check.duration("linger", p.linger, 0s, kMaxTimeout);
  check.duration("keepalive_idle", p.keepalive_idle, 1ms, kMaxTimeout);
  check.duration("keepalive_interval", p.keepalive_interval, 1ms, kMaxTimeout);
  check.range("keepalive_probes", p.keepalive_probes, 1, 60);
  check.duration("challenge_ack_interval", p.challenge_ack_interval, 0s, 1h);
  check.range("ttl", p.ttl, 1, 255);
  check.range("dscp", p.dscp, 0, 63);
  check.range("bbr_loss_percent", p.bbr_loss_percent, 1, 50);
  if (p.pacing != 0) {
    check.range("pacing", static_cast<std::int64_t>(std::min<std::uint64_t>(p.pacing, kMostPacing)),
                1000, kMostPacing - 1);
  }
}

}  // namespace

Status check_profile(const TcpConfig& profile) {
  Checker check;
  check_fields(check, profile);
  return std::move(check).result();
}

Status check_config(const EndpointConfig& config) {
  Checker check;
  check.range("max_connections", config.max_connections, 1, kMaxObjects);
  check.range("max_half_open", config.max_half_open, 1, kMaxObjects);
  check.range("max_time_wait", config.max_time_wait, 1, kMaxObjects);
  check.range("max_ipv6_pairs", config.max_ipv6_pairs, 0, kMaxObjects);
  check.range("max_send_states", config.max_send_states, 1, kMaxObjects);
  check.range("max_receive_states", config.max_receive_states, 1, kMaxObjects);
  check.range("max_models", config.max_models, 1, kMaxObjects);
  check.range("max_blocks", config.max_blocks, 1, kMaxObjects);
  check.range("max_fast_open_paths", config.max_fast_open_paths, 0, 1 << 20);
  check.range("first_port", config.first_port, 1, 65'535);
  check.range("last_port", config.last_port, config.first_port, 65'535);
  check.range("the number of profiles", static_cast<std::int64_t>(config.profiles.size()), 1,
              kMaxProfiles);
  for (std::size_t i = 0; i < config.profiles.size(); ++i) {
    check.set_prefix("profile " + std::to_string(i) + ": ");
    check_fields(check, config.profiles[i]);
  }
  return std::move(check).result();
}

}  // namespace millrace::tcp
