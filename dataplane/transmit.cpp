// SPDX-License-Identifier: BSD-3-Clause
//
// Segments out: buffers first, then segments, so that nothing that left the endpoint lacks a
// buffer; headers, and the payload copied and summed in one pass, or left to the port where it can
// (checksum, TSO). What the port does not take waits here in order, and then nothing more is
// pulled.
#include <algorithm>
#include <cstring>

#include "dataplane/worker_impl.h"
#include "tcp/base/check.h"
#include "tcp/wire/bytes.h"
#include "tcp/wire/checksum.h"
#include "tcp/wire/emit.h"

namespace millrace {
namespace {

constexpr std::size_t kSequenceOffset = 4;
constexpr std::size_t kFlagsOffset = 13;
constexpr std::size_t kChecksumOffset = 16;
constexpr std::uint32_t kMaxDatagramBytes = 65'535;

}  // namespace

// ---- net::FrameSink

bool WorkerImpl::allocate(Frame& frame) {
  // Frames for segments that have been pulled already are not for control.
  if (outbox_.empty_count() <= promised_) outbox_.refill(port_, empty_target_);
  if (outbox_.empty_count() <= promised_ || outbox_.waiting().size() >= kMaxWaiting) {
    ++stats_.control_drops;
    return false;
  }
  frame = outbox_.take();
  return true;
}

void WorkerImpl::send(const Frame& frame) { outbox_.push(frame); }

void WorkerImpl::release(const Frame& frame) {
  Frame one = frame;
  port_.release(std::span(&one, 1));
}

// ---- buffers and the driver

/// Hands over what waits; returns how many frames went.
std::size_t WorkerImpl::send_waiting() {
  if (!outbox_.is_waiting()) return 0;
  const std::size_t sent = outbox_.send(port_);
  stats_.tx_frames += sent;
  if (outbox_.is_waiting()) ++stats_.tx_stalls;
  return sent;
}

std::size_t WorkerImpl::transmit(Instant now) {
  std::size_t sent = send_waiting();
  std::size_t budget = std::size_t{config_.flush_bursts} * config_.burst;
  while (!outbox_.is_waiting() && budget > 0 && endpoint_.has_output()) {
    // Topped up for each burst: where only what has run out is replaced, every burst is in two.
    outbox_.refill(port_, empty_target_);
    const std::size_t empty = outbox_.empty_count();
    const std::size_t free = empty > kReserve ? empty - kReserve : 0;
    const std::size_t wanted = std::min({segments_.size(), budget, free / frames_per_segment_});
    if (wanted == 0) {
      ++stats_.buffer_stalls;
      break;
    }
    const std::size_t count = endpoint_.flush(std::span(segments_).first(wanted), now);
    promised_ = count * frames_per_segment_;
    const tcp::SegmentOut* const end = segments_.data() + count;
    for (const tcp::SegmentOut* segment = segments_.data(); segment != end; ++segment) {
      const net::LinkHeader* const link = host_.resolve(segment->tuple.remote, now, *this);
      if (link != nullptr && is_usual(*segment)) [[likely]] {
        write_usual(*segment, *link);
      } else {
        write_unusual(*segment, link);
      }
      promised_ -= frames_per_segment_;
    }
    sent += send_waiting();
    if (count < wanted) break;
    budget -= count;
  }
  return sent;
}

// ---- segments into frames

/// In one go, each word of the headers made in a register, summed and stored.
void WorkerImpl::write_usual(const tcp::SegmentOut& segment, const net::LinkHeader& link) {
  if (link.ipv6) {
    write_usual_as<false>(segment, link);
  } else {
    write_usual_as<true>(segment, link);
  }
}

template <bool V4>
void WorkerImpl::write_usual_as(const tcp::SegmentOut& segment, const net::LinkHeader& link) {
  constexpr std::size_t kIpBytes = V4 ? 20 : 40;
  Frame& frame = outbox_.next();
  // A copy: what is stored through a byte pointer might be the frame, for all that a compiler
  // knows.
  std::byte* const data = frame.data;
  std::byte* const ip = data + net::write_link_header(link, data);
  std::byte* const l4 = ip + kIpBytes;
  const bool timestamped = tcp::is_timestamped(segment);
  std::size_t header = tcp::kTimestampedHeaderBytes;
  if (!timestamped) [[unlikely]]
    header = tcp::emit_header(segment, l4);
  const std::uint32_t payload = segment.payload_bytes;
  const auto l4_bytes = static_cast<std::uint32_t>(header) + payload;
  const auto length = static_cast<std::uint32_t>(l4 - data) + l4_bytes;
  frame.length = length;
  MR_CHECK(length <= frame.capacity);
  const net::IpFields fields = net::ip_fields(segment, l4_bytes);
  std::uint64_t sum = 0;
  if constexpr (V4) {
    const std::uint32_t from = segment.tuple.local.to_v4_raw();
    const std::uint32_t to = segment.tuple.remote.to_v4_raw();
    net::write_ipv4_header(from, to, fields, ip);
    sum = tcp::pseudo_header_sum_v4(from, to, tcp::kProtocolTcp, l4_bytes);
  } else {
    const Address from = Address::from_words(segment.tuple.local.words());
    const Address to = Address::from_words(segment.tuple.remote.words());
    net::write_ipv6_header(from, to, fields, ip);
    sum = tcp::pseudo_header_sum_v6(from, to, tcp::kProtocolTcp, l4_bytes);
  }
  if (payload > 0) {
    sum = tcp::checksum_copy(sum, {segment.pieces[0].data(), payload}, l4 + header);
  }
  if (timestamped) [[likely]] {
    tcp::emit_timestamped(segment, sum, l4);
  } else {
    store_raw(l4 + kChecksumOffset, tcp::checksum_finish(tcp::checksum_add(sum, {l4, header})));
  }
  outbox_.commit();
}

/// In several pieces or packets, with work for the port, or without `link`.
void WorkerImpl::write_unusual(const tcp::SegmentOut& segment, const net::LinkHeader* link) {
  Source source{segment};
  const std::uint32_t total = segment.payload_bytes;
  if (segment.segment_size == 0 || total <= segment.segment_size) {
    write_packet(source, {0, total, false}, link);
    return;
  }
  // Cut for the port, as much as one TSO packet may hold, or segment by segment.
  std::uint32_t step = segment.segment_size;
  const bool tso = info_.tx_tso && info_.tx_tcp_checksum && link != nullptr;
  if (tso) {
    const auto headers = static_cast<std::uint32_t>(host_.link_bytes() + 40 + tcp::kMaxHeaderBytes);
    const std::uint32_t room =
        std::min(kMaxDatagramBytes, std::uint32_t{info_.max_pieces} * outbox_.next().capacity);
    step = std::max<std::uint32_t>((room - headers) / step, 1) * step;
  }
  for (std::uint32_t at = 0; at < total; at += step) {
    const std::uint32_t bytes = std::min(step, total - at);
    write_packet(source, {at, bytes, tso && bytes > segment.segment_size}, link);
  }
}

/// One packet: a frame, or several pieces for TSO. Without `link` it is parked or dropped.
void WorkerImpl::write_packet(Source& source, const Cut& cut, const net::LinkHeader* link) {
  const tcp::SegmentOut& segment = source.segment;
  const bool v4 = segment.tuple.local.is_v4();
  const std::size_t l2 = host_.link_bytes();
  const std::size_t l3 = v4 ? 20 : 40;
  const std::size_t l4 = tcp::header_bytes(segment);
  Frame frame = outbox_.take();
  if (link != nullptr) net::write_link_header(*link, frame.data);
  net::write_ip_header(segment, static_cast<std::uint32_t>(l4 + cut.bytes), !cut.tso,
                       frame.data + l2);
  if (!v4) frame.flags |= Frame::kIpv6;
  frame.l2_length = static_cast<std::uint8_t>(l2);
  frame.l3_length = static_cast<std::uint8_t>(l3);
  frame.l4_length = static_cast<std::uint8_t>(l4);
  frame.length = static_cast<std::uint32_t>(l2 + l3);
  write_tcp(source, cut, frame.data + l2 + l3, l4, frame);
  const std::uint32_t written = frame.length - static_cast<std::uint32_t>(l2 + l3 + l4);
  if (link != nullptr) {
    if (written < cut.bytes) frame.flags |= Frame::kContinues;
    outbox_.push(frame);
    if (written < cut.bytes) write_more(source, cut.bytes - written);
  } else if (!host_.park(segment.tuple.remote, frame)) {
    ++stats_.unresolved_drops;
    release(frame);
  }
}

/// TCP header, as much payload as the frame holds, and the checksum or what the port needs for it.
void WorkerImpl::write_tcp(Source& source, const Cut& cut, std::byte* tcp, std::size_t tcp_bytes,
                           Frame& frame) {
  const tcp::SegmentOut& segment = source.segment;
  tcp::emit_header(segment, tcp);
  if (cut.bytes < segment.payload_bytes) {
    store_be32(tcp + kSequenceOffset, (segment.seq + cut.at).raw());
    std::uint8_t flags = segment.flags.bits;
    if (cut.at + cut.bytes < segment.payload_bytes) {
      flags &= static_cast<std::uint8_t>(~(tcp::Flags::kFin | tcp::Flags::kPsh));
    }
    if (cut.at > 0) flags &= static_cast<std::uint8_t>(~tcp::Flags::kCwr);
    store_u8(tcp + kFlagsOffset, flags);
  }
  const bool offload = info_.tx_tcp_checksum;
  const std::uint32_t room = frame.capacity - frame.length - static_cast<std::uint32_t>(tcp_bytes);
  const std::uint32_t bytes = std::min(cut.bytes, room);
  MR_CHECK(bytes == cut.bytes || cut.tso);
  const auto l4_bytes = static_cast<std::uint32_t>(tcp_bytes) + cut.bytes;
  std::uint64_t sum = tcp::pseudo_header_sum(segment.tuple.local, segment.tuple.remote,
                                             tcp::kProtocolTcp, cut.tso ? 0 : l4_bytes);
  if (!offload) sum = tcp::checksum_add(sum, {tcp, tcp_bytes});
  std::byte* to = tcp + tcp_bytes;
  for (std::uint32_t left = bytes; left > 0;) {
    const std::span<const std::byte> piece = segment.pieces[source.piece].subspan(source.offset);
    const std::size_t take = std::min<std::size_t>(piece.size(), left);
    if (offload) {
      std::memcpy(to, piece.data(), take);
    } else {
      const std::uint32_t before = bytes - left;
      sum = before == 0
                ? tcp::checksum_copy(sum, piece.first(take), to)
                : tcp::checksum_combine(sum, tcp::checksum_copy(0, piece.first(take), to), before);
    }
    to += take;
    left -= static_cast<std::uint32_t>(take);
    source.offset += take;
    if (take == piece.size()) {
      ++source.piece;
      source.offset = 0;
    }
  }
  frame.length += static_cast<std::uint32_t>(tcp_bytes) + bytes;
  if (offload) {
    frame.flags |= Frame::kOffloadTcpChecksum;
    store_raw(tcp + kChecksumOffset, tcp::checksum_fold(sum));
  } else {
    store_raw(tcp + kChecksumOffset, tcp::checksum_finish(sum));
  }
  if (cut.tso) {
    frame.flags |= Frame::kOffloadTso;
    if (!frame.has(Frame::kIpv6)) frame.flags |= Frame::kOffloadIpChecksum;
    frame.segment_size = segment.segment_size;
  }
}

/// The pieces of a TSO packet behind its first.
void WorkerImpl::write_more(Source& source, std::uint32_t bytes) {
  while (bytes > 0) {
    Frame frame = outbox_.take();
    while (bytes > 0 && frame.length < frame.capacity) {
      const std::span<const std::byte> piece =
          source.segment.pieces[source.piece].subspan(source.offset);
      const std::size_t take =
          std::min<std::size_t>({piece.size(), bytes, frame.capacity - frame.length});
      std::memcpy(frame.data + frame.length, piece.data(), take);
      frame.length += static_cast<std::uint32_t>(take);
      bytes -= static_cast<std::uint32_t>(take);
      source.offset += take;
      if (take == piece.size()) {
        ++source.piece;
        source.offset = 0;
      }
    }
    if (bytes > 0) frame.flags |= Frame::kContinues;
    outbox_.push(frame);
  }
}

}  // namespace millrace
