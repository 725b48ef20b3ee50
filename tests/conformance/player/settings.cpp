// SPDX-License-Identifier: BSD-3-Clause
//
// Settings by name, in three tables: switches, times and numbers.
#include "tests/conformance/player/settings.h"

#include <array>
#include <string>
#include <utility>

namespace millrace::script {
namespace {

using tcp::TcpConfig;

constexpr std::array kSwitches{
    std::pair{"timestamps", &TcpConfig::timestamps},
    std::pair{"window_scaling", &TcpConfig::window_scaling},
    std::pair{"sack", &TcpConfig::sack},
    std::pair{"nagle", &TcpConfig::nagle},
    std::pair{"coalesce_acks", &TcpConfig::coalesce_acks},
    std::pair{"keepalive", &TcpConfig::keepalive},
    std::pair{"fast_open", &TcpConfig::fast_open},
};
constexpr std::array kTimes{
    std::pair{"initial_rto", &TcpConfig::initial_rto},
    std::pair{"min_rto", &TcpConfig::min_rto},
    std::pair{"max_rto", &TcpConfig::max_rto},
    std::pair{"delayed_ack", &TcpConfig::delayed_ack},
    std::pair{"2msl", &TcpConfig::two_msl},
    std::pair{"fin_wait_2", &TcpConfig::fin_wait_2},
    std::pair{"user_timeout", &TcpConfig::user_timeout},
    std::pair{"defer_accept", &TcpConfig::defer_accept},
    std::pair{"keepalive_idle", &TcpConfig::keepalive_idle},
    std::pair{"keepalive_interval", &TcpConfig::keepalive_interval},
    std::pair{"challenge_ack_interval", &TcpConfig::challenge_ack_interval},
};

/// Numbers are of several types; each is set through a function.
struct NumberSetting {
  const char* name;
  std::int64_t most;
  void (*set)(Script&, std::int64_t);
};

TcpConfig& profile(Script& s) { return s.config.profiles[0]; }

// clang-format off
constexpr std::array kNumbers{
    NumberSetting{"mtu", 65'535, [](Script& s, std::int64_t n) {
      profile(s).mtu = static_cast<std::uint16_t>(n); }},
    NumberSetting{"min_peer_mss", 65'535, [](Script& s, std::int64_t n) {
      profile(s).min_peer_mss = static_cast<std::uint16_t>(n); }},
    NumberSetting{"receive_buffer", 1 << 30, [](Script& s, std::int64_t n) {
      profile(s).receive_buffer = static_cast<std::uint32_t>(n); }},
    NumberSetting{"send_buffer", 1 << 30, [](Script& s, std::int64_t n) {
      profile(s).send_buffer = static_cast<std::uint32_t>(n); }},
    NumberSetting{"receive_buffer_initial", 1 << 30, [](Script& s, std::int64_t n) {
      profile(s).receive_buffer_initial = static_cast<std::uint32_t>(n); }},
    NumberSetting{"receive_buffer_max", 1 << 30, [](Script& s, std::int64_t n) {
      profile(s).receive_buffer_max = static_cast<std::uint32_t>(n); }},
    NumberSetting{"send_buffer_initial", 1 << 30, [](Script& s, std::int64_t n) {
      profile(s).send_buffer_initial = static_cast<std::uint32_t>(n); }},
    NumberSetting{"send_buffer_max", 1 << 30, [](Script& s, std::int64_t n) {
      profile(s).send_buffer_max = static_cast<std::uint32_t>(n); }},
    NumberSetting{"reassembly_bytes", 1 << 30, [](Script& s, std::int64_t n) {
      profile(s).reassembly_bytes = static_cast<std::uint32_t>(n); }},
    NumberSetting{"syn_retries", 255, [](Script& s, std::int64_t n) {
      profile(s).syn_retries = static_cast<std::uint8_t>(n); }},
    NumberSetting{"data_retries", 255, [](Script& s, std::int64_t n) {
      profile(s).data_retries = static_cast<std::uint8_t>(n); }},
    NumberSetting{"keepalive_probes", 255, [](Script& s, std::int64_t n) {
      profile(s).keepalive_probes = static_cast<std::uint8_t>(n); }},
    NumberSetting{"ttl", 255, [](Script& s, std::int64_t n) {
      profile(s).ttl = static_cast<std::uint8_t>(n); }},
    NumberSetting{"dscp", 63, [](Script& s, std::int64_t n) {
      profile(s).dscp = static_cast<std::uint8_t>(n); }},
    NumberSetting{"fast_open_backlog", 65'535, [](Script& s, std::int64_t n) {
      profile(s).fast_open_backlog = static_cast<std::uint16_t>(n); }},
    NumberSetting{"max_fast_open_paths", 1 << 20, [](Script& s, std::int64_t n) {
      s.config.max_fast_open_paths = static_cast<std::uint32_t>(n); }},
    NumberSetting{"pacing", std::int64_t{1} << 40, [](Script& s, std::int64_t n) {
      profile(s).pacing = static_cast<std::uint64_t>(n); }},
    NumberSetting{"max_models", 1 << 20, [](Script& s, std::int64_t n) {
      s.config.max_models = static_cast<std::uint32_t>(n); }},
    NumberSetting{"max_connections", 1 << 20, [](Script& s, std::int64_t n) {
      s.config.max_connections = static_cast<std::uint32_t>(n); }},
    NumberSetting{"max_half_open", 1 << 20, [](Script& s, std::int64_t n) {
      s.config.max_half_open = static_cast<std::uint32_t>(n); }},
    NumberSetting{"max_time_wait", 1 << 20, [](Script& s, std::int64_t n) {
      s.config.max_time_wait = static_cast<std::uint32_t>(n); }},
    NumberSetting{"max_blocks", 1 << 20, [](Script& s, std::int64_t n) {
      s.config.max_blocks = static_cast<std::uint32_t>(n); }},
    NumberSetting{"peer_isn", 0xffff'ffff, [](Script& s, std::int64_t n) {
      s.peer_isn = static_cast<std::uint32_t>(n); }},
};
// clang-format on

constexpr std::array kReuse{
    std::pair{"none", tcp::TimeWaitReuse::none},
    std::pair{"timestamp", tcp::TimeWaitReuse::timestamp},
    std::pair{"sequence", tcp::TimeWaitReuse::sequence},
    std::pair{"immediate", tcp::TimeWaitReuse::immediate},
};
constexpr std::array kCookies{
    std::pair{"never", tcp::SynCookieUse::never},
    std::pair{"when_full", tcp::SynCookieUse::when_full},
    std::pair{"always", tcp::SynCookieUse::always},
};
constexpr std::array kCongestion{
    std::pair{"newreno", tcp::CongestionAlgorithm::newreno},
    std::pair{"cubic", tcp::CongestionAlgorithm::cubic},
    std::pair{"dctcp", tcp::CongestionAlgorithm::dctcp},
    std::pair{"bbr", tcp::CongestionAlgorithm::bbr},
};
constexpr std::array kEcn{
    std::pair{"never", tcp::EcnUse::never},
    std::pair{"when_asked", tcp::EcnUse::when_asked},
    std::pair{"always", tcp::EcnUse::always},
};
constexpr std::array kOverflow{
    std::pair{"refuse", tcp::TimeWaitOverflow::refuse},
    std::pair{"recycle_oldest", tcp::TimeWaitOverflow::recycle_oldest},
    std::pair{"reset", tcp::TimeWaitOverflow::reset},
};

template <typename Table>
[[nodiscard]] std::string names_of(const Table& table) {
  std::string names;
  for (const auto& entry : table) names += (names.empty() ? "" : ", ") + std::string(entry.first);
  return names;
}

template <typename Table>
[[nodiscard]] auto choice(Words& words, const Table& table) {
  for (const auto& [name, value] : table) {
    if (words.accept(name)) return value;
  }
  words.fail("one of " + names_of(table));
}

[[nodiscard]] std::string all_names() {
  std::string names = names_of(kSwitches) + ", " + names_of(kTimes);
  for (const NumberSetting& n : kNumbers) names += ", " + std::string(n.name);
  return names + ", time_wait_reuse, time_wait_overflow, syn_cookies, congestion, ecn";
}

}  // namespace

tcp::EndpointConfig usual_config() {
  tcp::EndpointConfig c;
  c.max_connections = 64;
  c.max_half_open = 64;
  c.max_time_wait = 256;
  c.max_ipv6_pairs = 128;
  c.max_send_states = 64;
  c.max_models = 64;
  c.max_receive_states = 64;
  c.max_blocks = 1024;
  c.secrets = {.numbers = {11, 12}, .table = {13, 14}, .ports = {15, 16}, .cookies = {19, 20}};
  c.secrets.fast_open = {21, 22};
  return c;
}

void parse_setting(Words& words, Script& script) {
  for (const auto& [name, field] : kSwitches) {
    if (!words.accept(name)) continue;
    const bool on = words.accept("on");
    if (!on && !words.accept("off")) words.fail("on or off");
    profile(script).*field = on;
    return;
  }
  for (const auto& [name, field] : kTimes) {
    if (!words.accept(name)) continue;
    profile(script).*field = words.duration("a time such as 200ms");
    return;
  }
  for (const NumberSetting& setting : kNumbers) {
    if (!words.accept(setting.name)) continue;
    setting.set(script, words.number("a number", 0, setting.most));
    return;
  }
  if (words.accept("time_wait_reuse")) {
    script.config.time_wait_reuse = choice(words, kReuse);
  } else if (words.accept("time_wait_overflow")) {
    script.config.time_wait_overflow = choice(words, kOverflow);
  } else if (words.accept("syn_cookies")) {
    profile(script).syn_cookies = choice(words, kCookies);
  } else if (words.accept("congestion")) {
    profile(script).congestion = choice(words, kCongestion);
  } else if (words.accept("ecn")) {
    profile(script).ecn = choice(words, kEcn);
  } else {
    words.fail("a setting: " + all_names());
  }
}

}  // namespace millrace::script
