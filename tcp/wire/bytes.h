// SPDX-License-Identifier: BSD-3-Clause
//
// Loads and stores of big-endian fields at any alignment. Bounds are the caller's business: every
// use follows a length check.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace millrace {

/// In memory order, as the checksum sums them.
template <typename T>
[[nodiscard]] inline T load_raw(const std::byte* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}
template <typename T>
inline void store_raw(std::byte* p, T value) {
  std::memcpy(p, &value, sizeof value);
}

[[nodiscard]] inline std::uint8_t load_u8(const std::byte* p) {
  return std::to_integer<std::uint8_t>(*p);
}
[[nodiscard]] inline std::uint16_t load_be16(const std::byte* p) {
  return __builtin_bswap16(load_raw<std::uint16_t>(p));
}
[[nodiscard]] inline std::uint32_t load_be32(const std::byte* p) {
  return __builtin_bswap32(load_raw<std::uint32_t>(p));
}

inline void store_u8(std::byte* p, std::uint8_t value) { *p = std::byte{value}; }
inline void store_be16(std::byte* p, std::uint16_t value) {
  store_raw(p, __builtin_bswap16(value));
}
inline void store_be32(std::byte* p, std::uint32_t value) {
  store_raw(p, __builtin_bswap32(value));
}

}  // namespace millrace
