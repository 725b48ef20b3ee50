// SPDX-License-Identifier: BSD-3-Clause
//
// Frames in: a whole burst is parsed and its buckets prefetched before the first segment is input,
// so that the misses of a burst overlap. Every packet ends as delivered or as exactly one drop.
//
// A segment that the port brought to another core than its connection's is passed on to that core:
// devices differ in what they hash of a packet with IPv6 extension headers, and of what else is
// rare.
//
// A packet in several pieces (scattered or coalesced by the port) is fed to the endpoint as
// consecutive segments, one per piece: payload is never gathered.
#include <algorithm>

#include "dataplane/worker_impl.h"

namespace millrace {

std::size_t WorkerImpl::receive(Instant now) {
  received_count_ = port_.rx_burst(received_);
  incoming_count_ = 0;
  const Frame* const frames = received_.data();  // plain pointers: no bounds check per frame
  const Frame* const end = frames + received_count_;
  std::size_t packets = 0;
  for (const Frame* frame = frames; frame != end; ++packets) {
    net::Packet packet;
    if (host_.parse_usual(*frame, packet)) [[likely]] {
      take_segment(packet);
      ++frame;
      continue;
    }
    std::size_t pieces = 1;
    while (frame[pieces - 1].has(Frame::kContinues)) ++pieces;
    receive_unusual(static_cast<std::size_t>(frame - frames), pieces, now);
    frame += pieces;
  }
  last_packets_ = packets;
  stats_.rx_frames += packets;
  if (incoming_count_ > 0) input_segments(now);
  return packets;
}

/// The TCP segment of a packet becomes one of those to be input. Returns where it is if it does.
tcp::Arrival* WorkerImpl::take_segment(const net::Packet& packet) {
  tcp::Arrival& in = incoming_.data()[incoming_count_];
  tcp::Ports ports;
  const Drop bad = tcp::parse_segment(packet.l4, ports, in.segment);
  if (bad != Drop::none) [[unlikely]] {
    stats_.drops.add(bad);
    return nullptr;
  }
  in.segment.ecn = packet.ecn;
  in.tuple.local = packet.destination;
  in.tuple.remote = packet.source;
  in.tuple.local_port = ports.destination;
  in.tuple.remote_port = ports.source;
  in.hash = hash_(in.tuple);
  endpoint_.prefetch(in.hash);
  ++incoming_count_;
  return &in;
}

/// Everything else: control packets, packets in pieces, the first between two addresses, and what
/// is to be dropped.
void WorkerImpl::receive_unusual(std::size_t first, std::size_t pieces, Instant now) {
  const std::span<const Frame> frames(&received_[first], pieces);
  net::Packet packet;
  const Drop drop = host_.parse_thoroughly(frames, packet);
  if (drop != Drop::none) {
    stats_.drops.add(drop);
    if (packet.problem != net::Packet::Problem::none) host_.report_problem(packet, now, *this);
    return;
  }
  if (packet.kind != net::PacketKind::tcp) {
    receive_control(frames, packet, now);
    return;
  }
  if (take_segment(packet) == nullptr || pieces == 1) return;
  in_pieces_.push_back({incoming_count_ - 1, first, pieces, packet.l4_bytes,
                        static_cast<std::uint32_t>(packet.l4.size())});
}

void WorkerImpl::input_segments(Instant now) {
  const std::span<const tcp::Arrival> all(incoming_.data(), incoming_count_);
  std::size_t done = 0;
  for (const Pieces& pieces : in_pieces_) {
    endpoint_.input(all.subspan(done, pieces.arrival - done), now, stats_.drops);
    stats_.drops.add(input_pieces(pieces, now));
    done = pieces.arrival + 1;
  }
  in_pieces_.clear();
  endpoint_.input(all.subspan(done), now, stats_.drops);
}

/// The pieces of one packet as consecutive segments. FIN and PSH go with the last, SYN and CWR with
/// the first. Delivered if any of them was.
Drop WorkerImpl::input_pieces(const Pieces& in, Instant now) {
  constexpr std::uint8_t kLastOnly = tcp::Flags::kFin | tcp::Flags::kPsh;
  constexpr std::uint8_t kFirstOnly = tcp::Flags::kSyn | tcp::Flags::kCwr;
  const tcp::Arrival& arrival = incoming_[in.arrival];
  tcp::SegmentIn segment = arrival.segment;
  std::uint32_t left = in.l4_bytes - in.l4_bytes_here;
  Drop verdict = Drop::none;
  bool delivered = false;
  for (std::size_t i = 0; i < in.count; ++i) {
    if (i > 0) {
      const Frame& frame = received_[in.first + i];
      const std::uint32_t bytes = std::min(left, frame.length);
      left -= bytes;
      segment.payload = {frame.data, bytes};
    }
    const bool last = left == 0;
    segment.flags.bits = arrival.segment.flags.bits;
    if (i > 0) segment.flags.bits &= static_cast<std::uint8_t>(~kFirstOnly);
    if (!last) segment.flags.bits &= static_cast<std::uint8_t>(~kLastOnly);
    // A bare header in front of its payload says nothing that the payload's segment will not.
    if (last || segment.length() > 0) {
      const Drop drop = endpoint_.input(arrival.hash, arrival.tuple, segment, now);
      delivered |= drop == Drop::none;
      verdict = drop;
      // What was wrong with one piece is wrong with all, but for bytes that had come before.
      if (drop != Drop::none && drop != Drop::tcp_duplicate) break;
    }
    if (last) break;
    segment.seq += segment.length();
  }
  return delivered ? Drop::none : verdict;
}

void WorkerImpl::receive_control(std::span<const Frame> pieces, const net::Packet& packet,
                                 Instant now) {
  if (inbox_ != nullptr && packet.concerns_all_workers()) {
    stats_.inbox_drops += inbox_->broadcast(pieces.front());
  }
  stats_.drops.add(control(packet, net::Host::Mode::answer, now));
}

Drop WorkerImpl::control(const net::Packet& packet, net::Host::Mode mode, Instant now) {
  const net::ControlResult result = host_.input(packet, mode, now, *this);
  if (!result.error) return result.drop;
  const net::TransportError& e = *result.error;
  tcp::IcmpError error;
  switch (e.kind) {
    case net::TransportError::Kind::unreachable:
      error.kind = tcp::IcmpError::Kind::unreachable;
      break;
    case net::TransportError::Kind::too_big:
      error.kind = tcp::IcmpError::Kind::too_big;
      break;
    case net::TransportError::Kind::time_exceeded:
      error.kind = tcp::IcmpError::Kind::time_exceeded;
      break;
  }
  error.hard = e.hard;
  error.seq = e.seq;
  error.mtu = e.mtu;
  return endpoint_.icmp_error(e.tuple, error, now);
}

/// What concerns other workers goes to them, what they passed on is ours. After receive().
void WorkerImpl::exchange_with_others(Instant now) {
  const std::uint64_t strays = stats_.drops.of(Drop::wrong_core) - strays_before_;
  if (strays != 0) [[unlikely]]
    pass_strays(strays);
  collect_inbox(now);
  strays_before_ = stats_.drops.of(Drop::wrong_core);
}

/// Segments among those received that the endpoint says are another core's: `count` of them.
void WorkerImpl::pass_strays(std::uint64_t count) {
  if (config_.steering == nullptr) return;
  std::size_t pieces = 0;
  for (std::size_t first = 0; first < received_count_ && count > 0; first += pieces) {
    pieces = 1;
    while (received_[first + pieces - 1].has(Frame::kContinues)) ++pieces;
    const std::span<const Frame> frames(&received_[first], pieces);
    net::Packet packet;
    tcp::Ports ports;
    tcp::SegmentIn segment;
    if (host_.parse(frames, packet) != Drop::none || packet.kind != net::PacketKind::tcp ||
        tcp::parse_segment(packet.l4, ports, segment) != Drop::none) {
      continue;
    }
    const FourTuple tuple{packet.destination, packet.source, ports.destination, ports.source};
    const std::uint16_t worker = config_.steering->worker_of(tuple);
    if (worker == config_.index) continue;
    --count;
    if (!inbox_->pass(frames, worker)) continue;
    stats_.drops.take_back(Drop::wrong_core);
    ++stats_.strays_passed;
  }
}

/// What other workers passed on. Segments are ours, as if they had come here; what concerns all of
/// us they answer and count, and we learn from it.
void WorkerImpl::collect_inbox(Instant now) {
  for (std::size_t i = 0; i < passed_on_.size(); ++i) {
    const std::size_t bytes = inbox_memory_.size() / passed_on_.size();
    passed_on_[i] = {};
    passed_on_[i].data = &inbox_memory_[i * bytes];
    passed_on_[i].capacity = static_cast<std::uint32_t>(bytes);
  }
  const std::size_t count = inbox_->collect(passed_on_);
  stats_.inbox_frames += count;
  incoming_count_ = 0;
  for (std::size_t i = 0; i < count; ++i) {
    net::Packet packet;
    if (host_.parse({&passed_on_[i], 1}, packet) != Drop::none) continue;
    if (packet.kind == net::PacketKind::tcp) {
      ++stats_.strays_taken;
      (void)take_segment(packet);
    } else if (packet.concerns_all_workers()) {
      (void)control(packet, net::Host::Mode::learn, now);
    }
  }
  if (incoming_count_ > 0) input_segments(now);
}

void WorkerImpl::release_received() {
  if (received_count_ == 0) return;
  port_.release(std::span(received_).first(received_count_));
  received_count_ = 0;
}

}  // namespace millrace
