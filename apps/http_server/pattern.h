// SPDX-License-Identifier: BSD-3-Clause
//
// The bytes of /bytes/N and /chunked/N: byte i is i mod 251. A prime period divides no segment or
// buffer size, so a piece that is lost, doubled or moved shows in the bytes that follow. They come
// from one fixed buffer; a body of 10 GiB needs no more of it than one of 1 MiB.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace millrace::http {

inline constexpr std::uint64_t kPatternPeriod = 251;

[[nodiscard]] constexpr std::byte pattern_byte(std::uint64_t i) {
  return static_cast<std::byte>(i % kPatternPeriod);
}

class Pattern {
 public:
  /// The longest piece given at once.
  static constexpr std::size_t kPieceBytes = 256 * 1024;

  Pattern() : bytes_(std::make_unique<std::array<std::byte, kPatternPeriod + kPieceBytes>>()) {
    for (std::size_t i = 0; i < bytes_->size(); ++i) (*bytes_)[i] = pattern_byte(i);
  }

  /// Bytes `from` to `to` of the endless pattern, at most kPieceBytes of them.
  [[nodiscard]] std::span<const std::byte> piece(std::uint64_t from, std::uint64_t to) const {
    const auto count =
        static_cast<std::size_t>(to - from < kPieceBytes ? to - from : std::uint64_t{kPieceBytes});
    return {bytes_->data() + from % kPatternPeriod, count};
  }

 private:
  std::unique_ptr<std::array<std::byte, kPatternPeriod + kPieceBytes>> bytes_;
};

}  // namespace millrace::http
