// SPDX-License-Identifier: BSD-3-Clause
//
// A fixed number of T in one stretch of address space, handed out by index, last freed first. The
// space is reserved at construction and touched only as objects are first used, so a pool sized for
// millions costs nothing until they come. Nothing here allocates after construction.
//
// created() = live() + freed(), always: the leak check of the invariants.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

#include "tcp/base/check.h"

namespace millrace {

/// Zero-filled pages, reserved now and backed by memory when first touched.
class ReservedPages {
 public:
  ReservedPages() = default;
  explicit ReservedPages(std::size_t bytes);
  ReservedPages(ReservedPages&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  ReservedPages& operator=(ReservedPages&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ReservedPages(const ReservedPages&) = delete;
  ReservedPages& operator=(const ReservedPages&) = delete;
  ~ReservedPages();

  [[nodiscard]] std::byte* data() const { return data_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

inline constexpr std::uint32_t kNil = 0xffff'ffff;

template <typename T>
class Pool {
  static_assert(std::is_trivially_destructible_v<T>, "pool elements are plain data");
  static_assert(sizeof(T) >= sizeof(std::uint32_t));

 public:
  explicit Pool(std::uint32_t capacity)
      : pages_(std::size_t{capacity} * sizeof(T)), capacity_(capacity) {}

  /// A value-initialised element, or kNil when all are in use.
  [[nodiscard]] std::uint32_t create() {
    std::uint32_t index = free_head_;
    if (index != kNil) {
      free_head_ = next_free(index);
    } else if (touched_ < capacity_) {
      index = touched_++;
    } else {
      return kNil;
    }
    ++live_;
    ++created_;
    new (address(index)) T{};
    return index;
  }

  void free(std::uint32_t index) {
    MR_DCHECK(index < touched_ && live_ > 0);
    new (address(index)) std::uint32_t{free_head_};
    free_head_ = index;
    --live_;
  }

  [[nodiscard]] T& operator[](std::uint32_t index) {
    MR_DCHECK(index < touched_);
    return *std::launder(reinterpret_cast<T*>(address(index)));
  }
  [[nodiscard]] const T& operator[](std::uint32_t index) const {
    MR_DCHECK(index < touched_);
    return *std::launder(reinterpret_cast<const T*>(address(index)));
  }
  /// Fetches an element's lines ahead of its use; `index` need not be one that is in use.
  void prefetch(std::uint32_t index) const {
    for (std::size_t at = 0; at < sizeof(T); at += 64) __builtin_prefetch(address(index) + at, 1);
  }

  [[nodiscard]] std::uint32_t capacity() const { return capacity_; }
  [[nodiscard]] std::uint32_t live() const { return live_; }
  [[nodiscard]] std::uint64_t created() const { return created_; }
  [[nodiscard]] std::uint64_t freed() const { return created_ - live_; }
  /// Elements ever used; indices below it are backed by memory.
  [[nodiscard]] std::uint32_t touched() const { return touched_; }

 private:
  [[nodiscard]] std::byte* address(std::uint32_t index) const {
    return pages_.data() + std::size_t{index} * sizeof(T);
  }
  [[nodiscard]] std::uint32_t next_free(std::uint32_t index) const {
    return *std::launder(reinterpret_cast<const std::uint32_t*>(address(index)));
  }

  ReservedPages pages_;
  std::uint32_t capacity_;
  std::uint32_t touched_ = 0;
  std::uint32_t free_head_ = kNil;
  std::uint32_t live_ = 0;
  std::uint64_t created_ = 0;
};

}  // namespace millrace
