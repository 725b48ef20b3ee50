// SPDX-License-Identifier: BSD-3-Clause
//
// Everything below TCP for one worker of one port: understands received frames, answers ARP, NDP
// and echo, keeps neighbours, and says which headers go in front of what is sent. A machine without
// clock or driver: frames, times and a place for replies come in.
//
// The worker's order:
//   parse(); TCP goes to the endpoint, all else to input()           for every packet of a burst
//   advance()                                                        once per iteration
//   resolve() and, if it gives a header, write_link_header() and write_ip_header(); else leave
//   link_bytes() in front, write the rest and park()                 for every segment
//
// RFC 4862 §5.4 with RFC 4429: IPv6 addresses are used while duplicate detection runs; one that is
// found taken stops being ours. IPv4 conflicts are defended and counted (RFC 5227 §2.4 b). Router
// advertisements and redirects are ignored; MLD is not spoken.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/net/frame_parser.h"
#include "dataplane/net/headers.h"
#include "dataplane/net/interface.h"
#include "dataplane/net/local_addresses.h"
#include "dataplane/net/neighbours.h"
#include "dataplane/net/packet.h"
#include "dataplane/net/routes.h"
#include "tcp/base/four_tuple.h"
#include "tcp/base/result.h"
#include "tcp/base/seq.h"

namespace millrace::net {

/// Where frames of our own making come from and go to. Called for control traffic only.
class FrameSink {
 public:
  virtual ~FrameSink() = default;
  /// An empty frame to write into; false if there is none to spare.
  [[nodiscard]] virtual bool allocate(Frame& frame) = 0;
  /// Takes a complete frame, or one that was parked and now has its link header.
  virtual void send(const Frame& frame) = 0;
  /// Takes back a frame that will not be sent.
  virtual void release(const Frame& frame) = 0;
};

/// An ICMP error about a segment that bears our address: for endpoint.icmp_error().
struct TransportError {
  enum class Kind : std::uint8_t { unreachable, too_big, time_exceeded } kind = Kind::unreachable;
  bool hard = false;      // protocol or port unreachable, administratively prohibited
  FourTuple tuple;        // from the embedded headers, seen from our side
  tcp::Seq seq;           // from the embedded TCP header
  std::uint16_t mtu = 0;  // too_big; more than 65,535 is given as that
};

struct ControlResult {
  Drop drop = Drop::none;
  std::optional<TransportError> error;
};

struct HostStats {
  std::uint64_t questions_sent = 0;  // ARP requests and neighbour solicitations
  std::uint64_t answers_sent = 0;    // ARP replies and neighbour advertisements
  std::uint64_t announcements_sent = 0;
  std::uint64_t echo_replies_sent = 0;
  std::uint64_t errors_sent = 0;
  std::uint64_t unresolved_drops = 0;  // parked frames whose neighbour did not answer
  std::uint64_t neighbours_evicted = 0;
  std::uint64_t address_conflicts = 0;   // others that use an address of ours
  std::uint64_t addresses_given_up = 0;  // by duplicate address detection
};

/// Says in one sentence what is wrong with `config`: a prefix length, a range that leaves its
/// prefix, an address that no host can have, a gateway that is not on the link, a tag.
[[nodiscard]] Status check_config(const InterfaceConfig& config);

class Host {
 public:
  static constexpr std::size_t kMaxParkedPerNeighbour = 16;
  static constexpr std::size_t kMaxParked = 128;
  static constexpr std::size_t kMaxAnnounced = 1024;  // addresses; what a peer's table holds

  /// One worker of a port announces its addresses, the others stay silent until spoken to.
  explicit Host(const InterfaceConfig& config, bool announces = true);
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  // ---- receiving
  [[nodiscard]] Drop parse(const Frame& frame, Packet& out) const {
    return parser_.parse(std::span(&frame, 1), out);
  }
  [[nodiscard]] Drop parse(std::span<const Frame> pieces, Packet& out) const {
    return parser_.parse(pieces, out);
  }

  /// For TCP as it usually comes: false says nothing but that parse() must look.
  [[nodiscard, gnu::always_inline]] bool parse_usual(const Frame& frame, Packet& out) const {
    return parser_.parse_usual(frame, out);
  }
  [[nodiscard]] Drop parse_thoroughly(std::span<const Frame> pieces, Packet& out) const {
    return parser_.parse_thoroughly(pieces, out);
  }

  /// `learn`: another worker of this port has the frame and answers it.
  enum class Mode : std::uint8_t { answer, learn };
  /// Any packet but TCP, as parse() gave it.
  [[nodiscard]] ControlResult input(const Packet& packet, Mode mode, Instant now, FrameSink& sink);
  /// A packet that was dropped with `problem` set: tells its sender, within the rate limit.
  void report_problem(const Packet& packet, Instant now, FrameSink& sink);

  // ---- sending
  /// The link header for `destination`, or null while it is not known: then park() or drop.
  [[nodiscard]] const LinkHeader* resolve(const Address& destination, Instant now,
                                          FrameSink& sink) {
    const CacheSlot& slot = cache_[slot_of(destination)];
    if (slot.destination == destination && slot.epoch == epoch_) [[likely]] {
      slot.neighbour->used = true;
      return &slot.neighbour->link;
    }
    return resolve_slowly(destination, now, sink);
  }
  /// Whether a packet for `destination` could leave now: our own addresses have been checked, and
  /// its neighbour has answered. If nobody has asked it yet, this does.
  [[nodiscard]] bool reaches(const Address& destination, Instant now, FrameSink& sink) {
    if (!destination.is_v4() && in_duplicate_detection(now)) return false;
    return resolve(destination, now, sink) != nullptr;
  }
  /// Keeps a frame of one piece, complete but for its first link_bytes(), until its neighbour
  /// answers, then sends it; or releases it when no answer comes. False, and the frame stays the
  /// caller's, if there is no route or the queue is full.
  [[nodiscard]] bool park(const Address& destination, const Frame& frame);
  /// 14, 18 or 22: the same for every frame of this port.
  [[nodiscard]] std::size_t link_bytes() const { return link_bytes_; }

  // ---- time
  /// Ages and asks for neighbours, announces addresses; a bounded amount per call.
  void advance(Instant now, FrameSink& sink) {
    if (now >= due_) [[unlikely]]
      advance_slowly(now, sink);
  }
  /// When advance() has work; Instant::max() if never.
  [[nodiscard]] Instant next_deadline() const { return due_; }

  [[nodiscard]] bool is_local(const Address& address) const { return local_.contains(address); }
  [[nodiscard]] const HostStats& stats() const { return stats_; }
  [[nodiscard]] const NeighbourTable& neighbours() const { return neighbours_; }
  [[nodiscard]] std::size_t parked_frames() const { return parked_count_; }
  /// The link came up: announces all addresses anew.
  void restart_announcements(Instant now);
  /// Hands every parked frame back, at shutdown.
  void release_parked(FrameSink& sink);

 private:
  struct CacheSlot {
    Address destination;
    std::uint64_t epoch = 0;
    Neighbour* neighbour = nullptr;
  };
  struct ParkedFrame {
    Frame frame;
    std::uint32_t next = kNil;
  };
  /// A control frame that is being written.
  struct Draft {
    Frame frame;
    std::byte* l3 = nullptr;
  };
  static constexpr std::size_t kCacheBits = 8;

  [[nodiscard]] static std::size_t slot_of(const Address& destination) {
    const AddressWords w = destination.words();
    const std::uint64_t mixed = (w.low ^ (w.high * 0x9e37'79b9'7f4a'7c15)) * 0xd6e8'feb8'6659'fd93;
    return static_cast<std::size_t>(mixed >> (64 - kCacheBits));
  }

  // resolve.cpp
  // The slow halves stay out of line, so that the quick ones can be in line.
  [[nodiscard, gnu::noinline]] const LinkHeader* resolve_slowly(const Address& destination,
                                                                Instant now, FrameSink& sink);
  [[nodiscard]] std::uint32_t make_neighbour(const Address& address, NeighbourTable::Wish wish,
                                             Instant now, FrameSink& sink);
  void forget_neighbour(std::uint32_t index, FrameSink& sink);
  void send_parked(Neighbour& neighbour, FrameSink& sink);
  void release_parked_of(Neighbour& neighbour, FrameSink& sink);
  /// What an answer or question told us about `sender`.
  [[nodiscard]] bool learn_from_answer(const Address& sender, const MacAddress& mac, bool solicited,
                                       Instant now, FrameSink& sink);
  [[nodiscard]] Drop learn_from_question(const Address& sender, const MacAddress& mac, Instant now,
                                         FrameSink& sink);
  /// Voids the cache if it may point to `neighbour`.
  void forget_cached(Neighbour& neighbour) {
    if (neighbour.cached) ++epoch_;
    neighbour.cached = false;
  }

  // upkeep.cpp
  [[gnu::noinline]] void advance_slowly(Instant now, FrameSink& sink);
  void age_neighbours(Instant now, FrameSink& sink);
  void step_neighbour(std::uint32_t index, Instant now, FrameSink& sink);
  void be_due(Instant at);
  void ask(const Neighbour& neighbour, bool everyone, Instant now, FrameSink& sink);
  void announce(Instant now, FrameSink& sink);
  [[nodiscard]] bool announce_one(const Address& address, FrameSink& sink);
  void end_announce_round(Instant now);
  [[nodiscard]] bool in_duplicate_detection(Instant now) const { return now < detection_until_; }
  void give_up_address(const Address& address);

  // arp.cpp
  [[nodiscard]] Drop on_arp(const Packet& packet, Mode mode, Instant now, FrameSink& sink);
  bool send_arp(std::uint16_t operation, const MacAddress& to, const Address& sender,
                const MacAddress& target_mac, const Address& target, FrameSink& sink);
  /// Says once more, at most every ten seconds, that `address` is ours.
  void defend(const Address& address, Mode mode, Instant now, FrameSink& sink);

  // ndp.cpp
  [[nodiscard]] Drop on_ndp(const Packet& packet, Mode mode, Instant now, FrameSink& sink);
  [[nodiscard]] Drop on_solicitation(const Packet& packet, Mode mode, Instant now, FrameSink& sink);
  [[nodiscard]] Drop on_advertisement(const Packet& packet, Instant now, FrameSink& sink);
  void send_advertisement(const Packet& question, const Address& target, Instant now,
                          FrameSink& sink);
  bool send_solicitation(const MacAddress& to, const Address& source, const Address& destination,
                         const Address& target, bool tell_mac, FrameSink& sink);

  // icmp.cpp
  [[nodiscard]] Drop on_query(const Packet& packet, Mode mode, Instant now, FrameSink& sink);
  [[nodiscard]] ControlResult on_error(const Packet& packet) const;
  [[nodiscard]] bool take_icmp_token(Instant now);

  /// A frame with its link header written, for `l3_bytes` more; false if there is none to be had.
  [[nodiscard]] bool begin(std::size_t l3_bytes, const MacAddress& to, std::uint16_t ethertype,
                           Draft& draft, FrameSink& sink) const;

  InterfaceConfig config_;
  std::vector<InterfaceAddress> own_;  // those of the configuration and our link-local address
  LocalAddresses local_;
  FrameParser parser_;
  Routes routes_;
  NeighbourTable neighbours_;
  std::size_t link_bytes_;

  std::array<CacheSlot, std::size_t{1} << kCacheBits> cache_{};
  std::uint64_t epoch_ = 1;  // slots of an earlier one are void

  std::vector<ParkedFrame> parked_;
  std::uint32_t parked_free_ = kNil;
  std::size_t parked_count_ = 0;

  Instant due_ = Instant::min();
  std::uint32_t age_cursor_ = 0;       // entries before it have been looked at in this pass
  Instant age_next_ = Instant::max();  // the earliest deadline seen in this pass
  Instant age_from_ = Instant::min();  // no pass begins before

  bool announces_;
  std::uint8_t announce_round_ = 0;
  std::size_t announce_range_ = 0;     // in own_
  std::uint32_t announce_offset_ = 0;  // in that range
  std::size_t announced_ = 0;
  Instant announce_at_ = Instant::min();
  Instant detection_until_ = Instant::max();
  Instant defend_at_ = Instant::min();

  Instant icmp_spent_until_ = Instant::min();  // the rate limit: each reply moves it on

  HostStats stats_;
};

}  // namespace millrace::net
