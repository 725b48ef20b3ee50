// SPDX-License-Identifier: BSD-3-Clause
//
// Buffers for the few bytes that must be kept: a head that comes in pieces, an answer that found no
// room. Three sizes, so that a client that drips costs half a KiB and not eight (slowloris,
// CVE-2007-6750). Bounded; touched as they are used.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "apps/http_server/exchange.h"
#include "tcp/base/pool.h"

namespace millrace::http {

class Buffers {
 public:
  static constexpr std::array<std::size_t, 3> kSizes{512, 2048, 8192};
  static constexpr std::size_t kLargest = 8192;

  /// One small buffer for each of `exchanges`, fewer of the larger ones.
  explicit Buffers(std::uint32_t exchanges)
      : small_(exchanges), medium_(exchanges / 8 + 256), large_(exchanges / 32 + 64) {}

  /// A buffer of `bytes` or more; not held if there is none.
  [[nodiscard]] BufferHandle allocate(std::size_t bytes) {
    if (bytes <= kSizes[0]) return {small_.create(), 0};
    if (bytes <= kSizes[1]) return {medium_.create(), 1};
    if (bytes <= kSizes[2]) return {large_.create(), 2};
    return {};
  }
  void release(BufferHandle& handle) {
    if (!handle.held()) return;
    if (handle.size_class == 0) small_.free(handle.index);
    if (handle.size_class == 1) medium_.free(handle.index);
    if (handle.size_class == 2) large_.free(handle.index);
    handle = {};
  }
  [[nodiscard]] std::span<std::byte> space(const BufferHandle& handle) {
    if (handle.size_class == 0) return small_[handle.index].bytes;
    if (handle.size_class == 1) return medium_[handle.index].bytes;
    return large_[handle.index].bytes;
  }
  /// Moves `used` bytes into a buffer of `bytes` or more. False if there is none: nothing changes.
  [[nodiscard]] bool grow(BufferHandle& handle, std::size_t used, std::size_t bytes) {
    if (handle.held() && bytes <= kSizes[handle.size_class]) return true;
    BufferHandle larger = allocate(bytes);
    if (!larger.held()) return false;
    if (handle.held()) std::memcpy(space(larger).data(), space(handle).data(), used);
    release(handle);
    handle = larger;
    return true;
  }
  [[nodiscard]] std::uint32_t live() const {
    return small_.live() + medium_.live() + large_.live();
  }

 private:
  // The constructor that does nothing keeps the pool from zeroing what will be written anyway.
  template <std::size_t Size>
  struct Raw {
    Raw() {}  // NOLINT(modernize-use-equals-default)
    alignas(8) std::array<std::byte, Size> bytes;
  };

  Pool<Raw<kSizes[0]>> small_;
  Pool<Raw<kSizes[1]>> medium_;
  Pool<Raw<kSizes[2]>> large_;
};

}  // namespace millrace::http
