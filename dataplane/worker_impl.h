// SPDX-License-Identifier: BSD-3-Clause
//
// What a worker is made of. Internal to worker.cpp (the iteration and the clock), receive.cpp
// (frames in) and transmit.cpp (segments out).
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "dataplane/net/host.h"
#include "dataplane/outbox.h"
#include "dataplane/worker.h"
#include "tcp/wire/parse.h"

namespace millrace {

class WorkerImpl final : public net::FrameSink {
 public:
  WorkerImpl(const WorkerConfig& config, Port& port, tcp::Endpoint& endpoint, tcp::App& app,
             Inbox* inbox);
  ~WorkerImpl() override;

  bool poll(Instant clock);
  [[nodiscard]] bool reaches(const Address& destination) {
    return started_ && host_.reaches(destination, now_, *this);
  }
  [[nodiscard]] std::optional<Instant> next_deadline(Instant clock) const;
  [[nodiscard]] WorkerStats stats() const;
  void publish(StatsBoard& board) const;

  // ---- net::FrameSink: control traffic may use the reserve
  [[nodiscard]] bool allocate(Frame& frame) override;
  void send(const Frame& frame) override;
  void release(const Frame& frame) override;

 private:
  /// Of an arrival whose packet came in several pieces.
  struct Pieces {
    std::size_t arrival;  // which
    std::size_t first;    // frame of the first piece
    std::size_t count;
    std::uint32_t l4_bytes;       // over all pieces
    std::uint32_t l4_bytes_here;  // in the first piece
  };
  /// A SegmentOut on its way into frames.
  struct Source {
    const tcp::SegmentOut& segment;
    std::size_t piece = 0;
    std::size_t offset = 0;  // in that piece
  };
  /// One packet to be written from a Source.
  struct Cut {
    std::uint32_t at = 0;     // first payload byte of the segment
    std::uint32_t bytes = 0;  // payload
    bool tso = false;
  };

  // ---- the iteration (worker.cpp)
  [[nodiscard]] Instant observe(Instant clock);
  [[nodiscard]] std::optional<Instant> earliest_deadline(Instant now) const;
  bool iterate(Instant now, bool fire);
  [[gnu::noinline]] void look_at_link(Instant now);

  // ---- receive.cpp
  /// One burst; its frames stay with us until release_received().
  std::size_t receive(Instant now);
  [[gnu::always_inline]] inline tcp::Arrival* take_segment(const net::Packet& packet);
  [[gnu::noinline]] void receive_unusual(std::size_t first, std::size_t pieces, Instant now);
  void receive_control(std::span<const Frame> pieces, const net::Packet& packet, Instant now);
  void input_segments(Instant now);
  [[nodiscard]] Drop input_pieces(const Pieces& in, Instant now);
  [[nodiscard]] Drop control(const net::Packet& packet, net::Host::Mode mode, Instant now);
  void exchange_with_others(Instant now);
  [[gnu::noinline]] void pass_strays(std::uint64_t count);
  void collect_inbox(Instant now);
  void release_received();

  // ---- transmit.cpp
  /// Pulls what is due, within the budget of an iteration. Returns frames handed to the port.
  std::size_t transmit(Instant now);
  std::size_t send_waiting();
  /// Whether it makes one frame of one piece, whose checksum is ours to compute.
  [[nodiscard]] bool is_usual(const tcp::SegmentOut& segment) const {
    return segment.piece_count <= most_pieces_ &&
           (segment.segment_size == 0 || segment.payload_bytes <= segment.segment_size);
  }
  [[gnu::always_inline]] inline void write_usual(const tcp::SegmentOut& segment,
                                                 const net::LinkHeader& link);
  template <bool V4>
  [[gnu::always_inline]] inline void write_usual_as(const tcp::SegmentOut& segment,
                                                    const net::LinkHeader& link);
  [[gnu::noinline]] void write_unusual(const tcp::SegmentOut& segment, const net::LinkHeader* link);
  void write_packet(Source& source, const Cut& cut, const net::LinkHeader* link);
  void write_tcp(Source& source, const Cut& cut, std::byte* tcp, std::size_t tcp_bytes,
                 Frame& frame);
  void write_more(Source& source, std::uint32_t bytes);

  WorkerConfig config_;
  Port& port_;
  tcp::Endpoint& endpoint_;
  tcp::TupleHasher hash_;  // the endpoint's
  tcp::App& app_;
  Inbox* inbox_;
  const PortInfo& info_;
  int most_pieces_;  // of a segment that is usual; below zero where the port does checksums
  net::Host host_;
  WorkerStats stats_;

  // The clock: ours is the caller's plus skew_.
  Instant now_{};
  Duration skew_{0};
  bool started_ = false;
  bool late_ = false;         // a stall ended: read before timers fire
  bool timers_left_ = false;  // advance() has more for the next iteration

  Instant look_at_link_at_ = Instant::min();
  bool link_was_up_ = true;

  std::vector<Frame> received_;
  std::size_t received_count_ = 0;
  std::size_t last_packets_ = 0;        // of the last burst
  std::vector<tcp::Arrival> incoming_;  // parsed and not yet input
  std::size_t incoming_count_ = 0;
  std::vector<Pieces> in_pieces_;  // of these
  std::vector<Frame> passed_on_;   // from the inbox, into inbox_memory_
  std::vector<std::byte> inbox_memory_;
  std::uint64_t strays_before_ = 0;  // wrong_core drops up to the last iteration

  std::vector<tcp::SegmentOut> segments_;
  std::size_t frames_per_segment_;
  std::size_t empty_target_;  // empty frames to have at hand
  Outbox outbox_;
  std::size_t promised_ = 0;  // of these, what pulled segments are about to need

  static constexpr std::size_t kReserve = 8;
  static constexpr std::size_t kMaxWaiting = 256;  // control frames are dropped beyond it
};

}  // namespace millrace
