// SPDX-License-Identifier: BSD-3-Clause
//
// Who listens where on this core (RFC 9293 §3.10.1, passive OPEN). Found by port in one load, then
// by address: a listener on one address is preferred to one on any. Its half-open connections live
// in a table of their own, which also counts them for the backlog.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tcp/base/address.h"
#include "tcp/base/pool.h"

namespace millrace::tcp {

struct Listener {
  Address local;  // unspecified: any of either family
  std::uint16_t port = 0;
  std::uint16_t next = 0;  // another listener of this port: index + 1, 0 at the end
  std::uint8_t profile = 0;
  bool open = false;
  std::uint32_t backlog = 0;
  std::uint32_t accepted = 0;     // in the iteration named by accepted_in
  std::uint32_t accepted_in = 0;  // number of that iteration
};

inline constexpr std::uint16_t kNoListener = 0xffff;
inline constexpr std::size_t kMaxListeners = 4096;

class Listeners {
 public:
  Listeners();

  /// kNoListener if all kMaxListeners are in use.
  [[nodiscard]] std::uint16_t add(const Address& local, std::uint16_t port, std::uint32_t backlog,
                                  std::uint8_t profile);
  void remove(std::uint16_t index);

  /// The listener for segments to this address and port, kNoListener if there is none.
  [[nodiscard]] std::uint16_t find(const Address& local, std::uint16_t port) const {
    const std::uint16_t first = first_of_[port];
    return first == 0 ? kNoListener : find_in_chain(first, local);
  }
  /// The listener made with exactly this address, wildcard or not.
  [[nodiscard]] std::uint16_t find_exact(const Address& local, std::uint16_t port) const;

  [[nodiscard]] bool is_open(std::uint16_t index) const {
    return index < listeners_.size() && listeners_[index].open;
  }
  [[nodiscard]] Listener& operator[](std::uint16_t index) { return listeners_[index]; }
  [[nodiscard]] const Listener& operator[](std::uint16_t index) const { return listeners_[index]; }
  [[nodiscard]] std::size_t open_count() const { return open_; }

 private:
  [[nodiscard]] std::uint16_t find_in_chain(std::uint16_t first, const Address& local) const;

  ReservedPages pages_;
  std::uint16_t* first_of_;  // by port: index + 1, 0 for none
  std::vector<Listener> listeners_;
  std::size_t open_ = 0;
};

}  // namespace millrace::tcp
