// SPDX-License-Identifier: BSD-3-Clause
//
// Connections that their owner closed with a time limit (TcpConfig::linger), the earliest limit
// first. A binary heap beside the wheel: a closing connection needs its own deadline for
// retransmission, and few linger.
//
// Refuses: to know whether a connection is still there. An id stays until its time has come or
// keep_if() drops it; room for twice as many ids as there are connections makes that rare.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "tcp/base/check.h"
#include "tcp/base/pool.h"
#include "tcp/base/time.h"
#include "tcp/endpoint/app.h"

namespace millrace::tcp {

class Lingering {
 public:
  explicit Lingering(std::uint32_t connections)
      : pages_(std::size_t{2} * connections * sizeof(Entry)),
        entries_(reinterpret_cast<Entry*>(pages_.data())),
        capacity_(std::size_t{2} * connections) {}

  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] bool full() const { return size_ == capacity_; }
  [[nodiscard]] Instant next() const { return entries_[0].at; }

  void add(Instant at, ConnectionId id) {
    MR_CHECK(size_ < capacity_);
    entries_[size_++] = {at, id};
    most_ = std::max(most_, size_);
    std::push_heap(entries_, entries_ + size_, is_later);
  }
  /// Takes one whose time has come.
  [[nodiscard]] std::optional<ConnectionId> pop_due(Instant now) {
    if (size_ == 0 || next() > now) return std::nullopt;
    std::pop_heap(entries_, entries_ + size_, is_later);
    return entries_[--size_].id;
  }
  template <typename Keep>
  void keep_if(Keep&& keep) {
    const Entry* end = std::remove_if(entries_, entries_ + size_,
                                      [&](const Entry& entry) { return !keep(entry.id); });
    size_ = static_cast<std::size_t>(end - entries_);
    std::make_heap(entries_, entries_ + size_, is_later);
  }

  [[nodiscard]] std::size_t reserved_bytes() const { return pages_.bytes(); }
  [[nodiscard]] std::size_t touched_bytes() const { return most_ * sizeof(Entry); }

 private:
  struct Entry {
    Instant at;
    ConnectionId id;
  };
  static bool is_later(const Entry& a, const Entry& b) { return a.at > b.at; }

  ReservedPages pages_;
  Entry* entries_;
  std::size_t capacity_;
  std::size_t size_ = 0;
  std::size_t most_ = 0;
};

}  // namespace millrace::tcp
