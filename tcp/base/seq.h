// SPDX-License-Identifier: BSD-3-Clause
//
// TCP sequence numbers (RFC 9293 §3.4): 32-bit, modular. A type of their own, because comparing
// them with `<` is the oldest mistake in TCP. There is no `<` here; say `before`.
#pragma once

#include <compare>
#include <cstdint>

namespace millrace::tcp {

class Seq {
 public:
  constexpr Seq() = default;
  constexpr explicit Seq(std::uint32_t value) : value_(value) {}

  [[nodiscard]] constexpr std::uint32_t raw() const { return value_; }

  constexpr Seq& operator+=(std::uint32_t bytes) {
    value_ += bytes;
    return *this;
  }
  constexpr Seq& operator-=(std::uint32_t bytes) {
    value_ -= bytes;
    return *this;
  }
  friend constexpr Seq operator+(Seq s, std::uint32_t bytes) { return Seq(s.value_ + bytes); }
  friend constexpr Seq operator-(Seq s, std::uint32_t bytes) { return Seq(s.value_ - bytes); }
  friend constexpr bool operator==(Seq, Seq) = default;

 private:
  std::uint32_t value_ = 0;
};

/// Signed distance from `from` to `to` in bytes; valid while they are within 2^31 of each other.
[[nodiscard]] constexpr std::int32_t distance(Seq from, Seq to) {
  return static_cast<std::int32_t>(to.raw() - from.raw());
}
/// Bytes from `from` up to `to`, for callers that know `to` is not before `from`.
[[nodiscard]] constexpr std::uint32_t bytes_between(Seq from, Seq to) {
  return to.raw() - from.raw();
}

[[nodiscard]] constexpr bool before(Seq a, Seq b) { return distance(a, b) > 0; }
[[nodiscard]] constexpr bool after(Seq a, Seq b) { return before(b, a); }
[[nodiscard]] constexpr bool at_or_before(Seq a, Seq b) { return !before(b, a); }
[[nodiscard]] constexpr bool at_or_after(Seq a, Seq b) { return !before(a, b); }

/// True if `s` lies in [left, left + size).
[[nodiscard]] constexpr bool in_window(Seq s, Seq left, std::uint32_t size) {
  return bytes_between(left, s) < size;
}

[[nodiscard]] constexpr Seq later_of(Seq a, Seq b) { return before(a, b) ? b : a; }
[[nodiscard]] constexpr Seq earlier_of(Seq a, Seq b) { return before(a, b) ? a : b; }

}  // namespace millrace::tcp
