// SPDX-License-Identifier: BSD-3-Clause
//
// The link addresses of our neighbours, for ARP and NDP alike, with the states of RFC 4861 §7.3.2.
// Bounded, placed by a keyed hash, and slow to believe:
//   - an answer counts only while we are asking, so an unsolicited one neither makes nor changes an
//     entry; a different address for a live one at most makes us ask the old one whether it is
//     there;
//   - a request to us may make an entry, which is unproven until its owner answers a probe of ours;
//   - an unproven entry never takes the place of a proven one.
// The table sends nothing: step() says what is to be sent.
#pragma once

#include <cstdint>
#include <vector>

#include "dataplane/net/headers.h"
#include "dataplane/net/interface.h"
#include "dataplane/port.h"
#include "tcp/base/address.h"
#include "tcp/base/pool.h"
#include "tcp/base/siphash.h"
#include "tcp/base/time.h"

namespace millrace::net {

enum class NeighbourState : std::uint8_t { vacant, incomplete, reachable, stale, delay, probe };

struct Neighbour {
  Address address;
  LinkHeader link;  // complete unless incomplete
  NeighbourState state = NeighbourState::vacant;
  std::uint8_t probes = 0;         // sent in this state
  bool used = false;               // packets went to it since its timer last fired
  bool proven = false;             // has answered us
  bool cached = false;             // the host's cache may point here
  std::uint8_t parked_frames = 0;  // waiting for its address
  std::uint32_t parked_head = kNil;
  std::uint32_t next = kNil;  // in its hash chain, or free
  Instant deadline{};
  Instant changed{};
};

class NeighbourTable {
 public:
  explicit NeighbourTable(const InterfaceConfig& config);

  [[nodiscard]] std::uint32_t find(const Address& address) const;
  [[nodiscard]] Neighbour& at(std::uint32_t index) { return entries_[index]; }
  [[nodiscard]] const Neighbour& at(std::uint32_t index) const { return entries_[index]; }

  /// Whose wish a new entry is: ours, because we have something to send, or a stranger's.
  enum class Wish : std::uint8_t { ours, theirs };
  /// An entry that may make room for such a wish if none is vacant; kNil: the table is full.
  [[nodiscard]] std::uint32_t victim(Wish wish);
  [[nodiscard]] bool has_vacancy() const { return free_head_ != kNil; }
  /// A new entry in state incomplete, due at once. There must be a vacancy.
  [[nodiscard]] std::uint32_t insert(const Address& address, Instant now);
  void remove(std::uint32_t index);
  /// False if as many addresses are being asked for as may be at once.
  [[nodiscard]] bool may_ask_for_another() const { return incomplete_ < max_incomplete_; }

  /// What an answer did.
  enum class Answer : std::uint8_t { ignored, confirmed };
  /// An answer to a question of ours, with the link address it names. `solicited` as in RFC 4861
  /// §7.2.5; an ARP reply always is.
  Answer on_answer(std::uint32_t index, const MacAddress& mac, bool solicited, Instant now);
  /// A question of the neighbour's own, which tells its link address by the way. True if the
  /// entry's link address changed.
  bool on_question(std::uint32_t index, const MacAddress& mac, Instant now);
  /// A packet goes to an entry that is complete: a stale one is asked about soon.
  void on_use(std::uint32_t index, Instant now);

  enum class Action : std::uint8_t { none, ask_all, ask_it, expired };
  /// The entry's timer fired: what to do. The caller removes what has expired.
  Action step(std::uint32_t index, Instant now);

  [[nodiscard]] std::uint32_t capacity() const {
    return static_cast<std::uint32_t>(entries_.size());
  }
  [[nodiscard]] std::uint32_t live() const { return live_; }
  [[nodiscard]] std::uint32_t incomplete() const { return incomplete_; }
  [[nodiscard]] MacAddress mac_of(std::uint32_t index) const;

 private:
  [[nodiscard]] std::uint32_t& head_of(const Address& address);
  [[nodiscard]] std::uint64_t hash(const Address& address) const;
  void enter(Neighbour& n, NeighbourState state, Duration timeout, Instant now);
  void set_mac(Neighbour& n, const MacAddress& mac);
  [[nodiscard]] bool may_yield(const Neighbour& n, Wish wish) const;
  [[nodiscard]] Duration reachable_time();

  std::vector<Neighbour> entries_;
  std::vector<std::uint32_t> heads_;
  LinkHeader template_v4_;
  LinkHeader template_v6_;
  SipKey key_;
  Duration reachable_;
  Duration interval_;
  std::uint64_t jitter_;
  std::uint32_t free_head_ = kNil;
  std::uint32_t hand_ = 0;  // where the search for a victim goes on
  std::uint32_t live_ = 0;
  std::uint32_t incomplete_ = 0;
  std::uint32_t max_incomplete_;
  std::uint8_t max_probes_;
};

}  // namespace millrace::net
