// SPDX-License-Identifier: BSD-3-Clause
//
// Segments and times as scripts write them, for what a report shows beside the script's own lines.
#include <cstdio>

#include "tcp/wire/segment.h"
#include "tests/conformance/player/script.h"

namespace millrace::script {
namespace {

using tcp::Flags;

[[nodiscard]] std::string flags_text(std::uint8_t flags) {
  struct Name {
    const char* text;
    std::uint8_t bit;
  };
  constexpr Name kNames[] = {{"FIN ", Flags::kFin}, {"SYN ", Flags::kSyn}, {"RST ", Flags::kRst},
                             {"PSH ", Flags::kPsh}, {"ACK ", Flags::kAck}, {"URG ", Flags::kUrg},
                             {"ECE ", Flags::kEce}, {"CWR ", Flags::kCwr}};
  std::string text;
  for (const Name& name : kNames) {
    if ((flags & name.bit) != 0) text += name.text;
  }
  return text.empty() ? "NONE " : text;
}

[[nodiscard]] std::string stamp_text(const Stamp& stamp) {
  return stamp ? std::to_string(*stamp) : "*";
}

[[nodiscard]] std::string options_text(const OptionList& list) {
  if (list.mode == OptionList::Mode::any) return " [...]";
  std::string text;
  if (list.mss) text += ", mss " + std::to_string(*list.mss);
  if (list.sackok) text += ", sackok";
  if (list.has_ts) text += ", ts " + stamp_text(list.tsval) + " " + stamp_text(list.tsecr);
  if (list.wscale) text += ", wscale " + std::to_string(*list.wscale);
  if (!list.sack.empty()) text += ", sack";
  for (const Block& b : list.sack) {
    text += " " + std::to_string(b.left) + "-" + std::to_string(b.right);
  }
  if (list.fast_open) text += ", fo";
  if (list.fast_open) {
    for (const std::uint8_t byte : list.fast_open->cookie) {
      constexpr std::string_view kDigits = "0123456789abcdef";
      text += {' ', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return text.empty() ? "" : " [" + text.substr(2) + "]";
}

}  // namespace

std::string to_text(const Segment& s) {
  std::string text = flags_text(s.flags) + std::to_string(s.seq);
  if (s.length != 0) text += "+" + std::to_string(s.length);
  if (s.ack) text += " ack " + std::to_string(*s.ack);
  if (s.win) text += " win " + std::to_string(*s.win);
  if (s.urg) text += " urg " + std::to_string(*s.urg);
  return text + options_text(s.options);
}

std::string to_text(Duration time) {
  char text[40];
  (void)std::snprintf(text, sizeof text, "%.6f", static_cast<double>(time.count()) / 1e9);
  std::string short_text = text;
  while (short_text.ends_with("000")) short_text.erase(short_text.size() - 3);
  if (short_text.ends_with('.')) short_text += "0";
  return short_text;
}

}  // namespace millrace::script
