// SPDX-License-Identifier: BSD-3-Clause
//
// Plans into bytes: status line, headers and what follows them (RFC 9112 §4, RFC 9110 §8.6,
// §10.2.1). There is no Date: `now` counts from an arbitrary start, and a server without a clock
// sends none (RFC 9110 §6.6.1). Short answers are written once and sent many times.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "apps/http_server/pattern.h"
#include "apps/http_server/plan.h"

namespace millrace::http {

using Bytes = std::span<const std::byte>;

[[nodiscard]] inline Bytes bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}
[[nodiscard]] inline std::string_view view_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline constexpr std::size_t kMostHeadBytes = 1024;  // of an answer, with a short text behind it

/// Status line, headers, empty line, and the body too where it is a text. Returns the part of
/// `space` that was written. A delayed answer is that of its end.
[[nodiscard]] Bytes write_head(const Plan& plan, std::span<char, kMostHeadBytes> space);

/// The next piece of an answer's body as it goes over the wire, from `sent` bytes on; empty at the
/// end. Chunked bodies come with their framing; `scratch` may hold the piece.
struct BodyPiece {
  Bytes bytes;
  bool fixed = true;  // outlives the endpoint; else in `scratch`
};
[[nodiscard]] BodyPiece body_piece(const Plan& plan, std::uint64_t sent, const Pattern& pattern,
                                   std::array<char, 16>& scratch);

inline constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

/// Whole answers, head and body, that are short and asked for often. They stay for the life of the
/// server, so they are sent without being copied; when there is no room for another, it is not
/// kept.
class PreparedAnswers {
 public:
  PreparedAnswers();
  /// The answer, made now if it is new; empty if it is too long, or cannot be had at once.
  [[nodiscard]] Bytes find(const Plan& plan, const Pattern& pattern);

 private:
  static constexpr std::size_t kArenaBytes = 1024 * 1024;
  static constexpr std::size_t kLongest = 16 * 1024;
  static constexpr std::size_t kSlots = 256;
  struct Slot {
    Plan plan;
    Bytes bytes;
  };

  std::unique_ptr<std::array<Slot, kSlots>> slots_;
  std::unique_ptr<std::byte[]> arena_;
  std::size_t arena_used_ = 0;
  std::size_t slots_used_ = 0;
};

}  // namespace millrace::http
