// SPDX-License-Identifier: BSD-3-Clause
//
// Port over mbufs, for whatever moves them: a device's queue, the cable, or a ring that a steerer
// fills. A Wire has
//     std::uint16_t receive(rte_mbuf** packets, std::uint16_t room);
//     std::uint16_t transmit(rte_mbuf** packets, std::uint16_t count);   // takes a prefix
//     bool link_up();
//     void add_to(PortStats&);
// and is called once per burst, without virtual calls of its own.
//
// Invariant: a buffer that a Frame names is unchained (nb_segs 1, next null), as a pool's buffers
// are. Then nothing here touches an mbuf's second cache line, but for packets of several pieces and
// for offloads.
#pragma once

#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_prefetch.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "dataplane/port.h"
#include "tcp/base/check.h"

namespace millrace::dpdk {

inline constexpr std::uint16_t kBurst = 64;  // packets per call of a Wire

/// Checksum flags of received packets, by the four bits that DPDK uses.
class RxChecksumFlags {
 public:
  /// `trust_none`: virtio peers leave the field unfilled on data that never met a wire, and say
  /// "none". On other devices that means nothing was looked at.
  constexpr explicit RxChecksumFlags(bool trust_none) {
    for (std::size_t i = 0; i < 16; ++i) {
      const bool l4_bad = (i & 1) != 0, ip_bad = (i & 2) != 0;
      const bool ip_good = (i & 4) != 0, l4_good = (i & 8) != 0;
      const std::uint16_t ip =
          pair(ip_good, ip_bad, trust_none, Frame::kIpChecksumGood, Frame::kIpChecksumBad);
      const std::uint16_t l4 =
          pair(l4_good, l4_bad, trust_none, Frame::kL4ChecksumGood, Frame::kL4ChecksumBad);
      // Entries by bits 3 to 8: between the bad ones and the good ones are two that say other
      // things.
      for (std::size_t other = 0; other < 4; ++other) {
        flags_[(i & 3) | (other << 2) | ((i & 12) << 2)] = static_cast<std::uint16_t>(ip | l4);
      }
    }
  }
  [[nodiscard]] std::uint16_t of(std::uint64_t ol_flags) const {
    static_assert(RTE_MBUF_F_RX_L4_CKSUM_BAD == 1U << 3 && RTE_MBUF_F_RX_IP_CKSUM_BAD == 1U << 4);
    static_assert(RTE_MBUF_F_RX_IP_CKSUM_GOOD == 1U << 7 && RTE_MBUF_F_RX_L4_CKSUM_GOOD == 1U << 8);
    return flags_.data()[(ol_flags >> 3) & 63];
  }

 private:
  static constexpr std::uint16_t pair(bool good, bool bad, bool trust_none, std::uint16_t is_good,
                                      std::uint16_t is_bad) {
    if (good && bad) return trust_none ? is_good : std::uint16_t{0};
    return good ? is_good : bad ? is_bad : std::uint16_t{0};
  }
  std::array<std::uint16_t, 64> flags_{};
};

inline std::uint64_t tx_flags_of(std::uint16_t flags) {
  std::uint64_t ol = 0;
  const std::uint64_t family =
      (flags & Frame::kIpv6) != 0 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4;
  if ((flags & Frame::kOffloadIpChecksum) != 0) ol |= RTE_MBUF_F_TX_IP_CKSUM | family;
  if ((flags & Frame::kOffloadTcpChecksum) != 0) ol |= RTE_MBUF_F_TX_TCP_CKSUM | family;
  if ((flags & Frame::kOffloadTso) != 0) {
    ol |= RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM | family;
    if (family == RTE_MBUF_F_TX_IPV4) ol |= RTE_MBUF_F_TX_IP_CKSUM;
  }
  return ol;
}

/// Whether it goes back to its pool as it is: nobody else has it, and its memory is its own.
[[nodiscard]] inline bool is_plain(const rte_mbuf* m) {
  return rte_mbuf_refcnt_read(m) == 1 && RTE_MBUF_DIRECT(m);
}

/// Gives the buffers of these Frames back to their pools. Each is unchained.
inline void free_buffers(std::span<const Frame> frames) {
  const Frame* frame = frames.data();
  const Frame* const end = frame + frames.size();
  if (frame == end) return;
  // Straight into this core's cache of the pool, as long as they are of one pool and it has room.
  rte_mempool* const pool = static_cast<const rte_mbuf*>(frame->buffer)->pool;
  rte_mempool_cache* const cache = rte_mempool_default_cache(pool, rte_lcore_id());
  if (cache != nullptr && cache->len + frames.size() <= cache->flushthresh) [[likely]] {
    void** slot = cache->objs + cache->len;
    for (; frame != end; ++frame) {
      auto* m = static_cast<rte_mbuf*>(frame->buffer);
      if (m->pool != pool || !is_plain(m)) [[unlikely]] {
        break;
      }
      *slot++ = m;
    }
    cache->len = static_cast<std::uint32_t>(slot - cache->objs);
  }
  if (frame == end) [[likely]]
    return;
  // The cache is full, or they are not alike: run by run of what is.
  void* run[kBurst];
  while (frame != end) {
    auto* first = static_cast<rte_mbuf*>(frame->buffer);
    unsigned n = 0;
    for (; frame != end && n < kBurst; ++frame) {
      auto* m = static_cast<rte_mbuf*>(frame->buffer);
      if (m->pool != first->pool || !is_plain(m)) break;
      run[n++] = m;
    }
    if (n != 0) {
      rte_mempool_put_bulk(first->pool, run, n);
    } else {
      rte_pktmbuf_free_seg(first);
      ++frame;
    }
  }
}

inline constexpr std::uint16_t kOffload =
    Frame::kOffloadIpChecksum | Frame::kOffloadTcpChecksum | Frame::kOffloadTso;

template <typename Wire>
class MbufPort final : public Port {
 public:
  MbufPort(PortInfo info, rte_mempool* pool, RxChecksumFlags rx_checksums, Wire wire)
      : info_(std::move(info)),
        pool_(pool),
        data_at_(sizeof(rte_mbuf) + rte_pktmbuf_priv_size(pool) + RTE_PKTMBUF_HEADROOM),
        capacity_(std::uint32_t{rte_pktmbuf_data_room_size(pool)} - RTE_PKTMBUF_HEADROOM),
        rx_checksums_(rx_checksums),
        wire_(std::move(wire)) {}

  ~MbufPort() override {
    for (std::uint16_t i = held_at_; i < held_; ++i) rte_pktmbuf_free(received_[i]);
  }

  [[nodiscard]] const PortInfo& info() const override { return info_; }

  [[nodiscard]] std::size_t rx_burst(std::span<Frame> frames) override {
    if (held_at_ == held_) {
      held_at_ = 0;
      const auto room = static_cast<std::uint16_t>(std::min<std::size_t>(frames.size(), kBurst));
      held_ = wire_.receive(received_.data(), room);
    }
    // Plain pointers: a bounds check for each access would cost as much as the work.
    rte_mbuf* const* packet = received_.data() + held_at_;
    rte_mbuf* const* const last =
        packet + std::min<std::size_t>(held_ - std::size_t{held_at_}, frames.size());
    Frame* out = frames.data();
    std::uint64_t bytes = 0;
    for (; packet != last; ++packet, ++out) {
      const rte_mbuf* const m = *packet;
      if (m->nb_segs != 1) [[unlikely]] {
        break;
      }
      *out = frame_of(m, rx_checksums_.of(m->ol_flags));
      rte_prefetch0(out->data);
      bytes += m->data_len;
    }
    const auto got = static_cast<std::size_t>(out - frames.data());
    held_at_ = static_cast<std::uint16_t>(packet - received_.data());
    stats_.rx_frames += got;
    stats_.rx_bytes += bytes;
    if (packet == last) [[likely]]
      return got;
    return got + rx_pieces(frames.subspan(got), got == 0);
  }

  [[nodiscard]] std::size_t tx_burst(std::span<Frame> frames) override {
    std::size_t taken = 0;
    while (taken < frames.size()) {
      const std::size_t part = tx_part(frames.subspan(taken));
      taken += part;
      if (refused_) break;
    }
    return taken;
  }

  [[nodiscard]] std::size_t allocate(std::span<Frame> frames) override {
    // Straight from this core's cache of the pool, where it holds enough.
    rte_mempool_cache* const cache = rte_mempool_default_cache(pool_, rte_lcore_id());
    if (cache != nullptr && cache->len >= frames.size()) [[likely]] {
      cache->len -= static_cast<std::uint32_t>(frames.size());
      make_empty(cache->objs + cache->len, frames);
      return frames.size();
    }
    std::size_t done = 0;
    void* buffers[kBurst];
    while (done < frames.size()) {
      const std::size_t want = std::min<std::size_t>(frames.size() - done, kBurst);
      const std::size_t got = take(buffers, want);
      make_empty(buffers, frames.subspan(done, got));
      done += got;
      if (got < want) break;
    }
    return done;
  }

  void release(std::span<Frame> frames) override { free_buffers(frames); }

  [[nodiscard]] bool link_up() override { return wire_.link_up(); }

  [[nodiscard]] PortStats stats() override {
    PortStats all = stats_;
    all.buffers_free = rte_mempool_avail_count(pool_);
    all.buffers_total = pool_->populated_size;
    wire_.add_to(all);
    return all;
  }

 private:
  /// Sends up to kBurst packets; refused_ tells whether the wire took less.
  std::size_t tx_part(std::span<Frame> frames) {
    constexpr std::uint16_t kSpecial = Frame::kContinues | kOffload;
    rte_mbuf* packets[kBurst];
    const std::size_t most = std::min<std::size_t>(frames.size(), kBurst);
    std::uint64_t bytes = 0;
    std::uint16_t count = 0;
    for (; count < most; ++count) {
      const Frame& frame = frames.data()[count];
      if (frame.has(kSpecial)) [[unlikely]] {
        return tx_special(frames);
      }
      packets[count] = set(frame);
      bytes += frame.length;
    }
    const std::uint16_t sent = wire_.transmit(packets, count);
    refused_ = sent < count;
    if (refused_) [[unlikely]] {
      ++stats_.tx_refused;
      for (std::size_t i = sent; i < count; ++i) bytes -= frames[i].length;
    }
    stats_.tx_frames += sent;
    stats_.tx_bytes += bytes;
    return sent;
  }

  /// The same for packets of several pieces, or with work for the device.
  std::size_t tx_special(std::span<Frame> frames) {
    std::array<rte_mbuf*, kBurst> packets;
    std::array<std::uint32_t, kBurst> ends;  // frames up to and with that packet
    std::uint16_t count = 0;
    std::size_t next = 0;
    while (next < frames.size() && count < kBurst) {
      next = prepare(frames, next, packets[count]);
      ends[count++] = static_cast<std::uint32_t>(next);
    }
    const std::uint16_t sent = wire_.transmit(packets.data(), count);
    const std::size_t taken = sent == 0 ? 0 : ends[static_cast<std::size_t>(sent - 1)];
    refused_ = sent < count;
    if (refused_) [[unlikely]] {
      ++stats_.tx_refused;
      for (std::size_t i = taken; i < next; ++i) {
        unchain_one(static_cast<rte_mbuf*>(frames[i].buffer));
      }
    }
    for (std::size_t i = 0; i < taken; ++i) stats_.tx_bytes += frames[i].length;
    stats_.tx_frames += sent;
    return taken;
  }

  /// rx_burst from a packet on that has several pieces, or may have. The whole of `frames` is what
  /// the caller has room for if `all`.
  [[gnu::noinline]] std::size_t rx_pieces(std::span<Frame> frames, bool all) {
    Frame* out = frames.data();
    Frame* const end = out + frames.size();
    for (; held_at_ < held_ && out < end; ++held_at_) {
      rte_mbuf* m = received_[held_at_];
      if (m->nb_segs > end - out) {
        if (!all || out != frames.data()) break;
        ++stats_.rx_no_buffer;  // no burst of this caller would ever hold it
        rte_pktmbuf_free(m);
        continue;
      }
      ++stats_.rx_frames;
      stats_.rx_bytes += m->pkt_len;
      out = unchain(m, out);
    }
    return static_cast<std::size_t>(out - frames.data());
  }

  static Frame frame_of(const rte_mbuf* m, std::uint16_t flags) {
    Frame frame;
    frame.data = rte_pktmbuf_mtod(m, std::byte*);
    frame.length = m->data_len;
    frame.buffer = const_cast<rte_mbuf*>(m);
    frame.flags = flags;
    return frame;
  }

  /// Buffers of the pool as empty frames: they lie where the pool put them, all alike.
  void make_empty(void* const* buffers, std::span<Frame> frames) const {
    Frame empty;
    empty.capacity = capacity_;
    for (Frame& frame : frames) {
      empty.buffer = *buffers++;
      empty.data = static_cast<std::byte*>(empty.buffer) + data_at_;
      frame = empty;
    }
  }

  static void unchain_one(rte_mbuf* m) {
    m->next = nullptr;
    m->nb_segs = 1;
  }

  Frame* unchain(rte_mbuf* m, Frame* out) {
    std::uint16_t flags = rx_checksums_.of(m->ol_flags);
    while (m != nullptr) {
      rte_mbuf* next = m->next;
      unchain_one(m);
      const std::uint16_t continues = next != nullptr ? Frame::kContinues : std::uint16_t{0};
      *out++ = frame_of(m, static_cast<std::uint16_t>(flags | continues));
      flags = 0;
      m = next;
    }
    return out;
  }

  static rte_mbuf* set(const Frame& frame) {
    auto* m = static_cast<rte_mbuf*>(frame.buffer);
    m->data_off =
        static_cast<std::uint16_t>(frame.data - static_cast<const std::byte*>(m->buf_addr));
    m->data_len = static_cast<std::uint16_t>(frame.length);
    m->pkt_len = frame.length;
    m->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
    return m;
  }

  /// Makes one packet of the frames from `at` on; returns the index after them.
  static std::size_t prepare(std::span<Frame> frames, std::size_t at, rte_mbuf*& packet) {
    const Frame& first = frames[at];
    packet = set(first);
    if (first.has(kOffload)) {
      packet->ol_flags |= tx_flags_of(first.flags);
      packet->tx_offload =
          rte_mbuf_tx_offload(first.l2_length, first.l3_length, first.l4_length,
                              first.has(Frame::kOffloadTso) ? first.segment_size : 0, 0, 0, 0);
    }
    rte_mbuf* last = packet;
    while (frames[at].has(Frame::kContinues)) [[unlikely]] {
        ++at;
        MR_CHECK(at < frames.size());  // a packet is never split over two bursts
        rte_mbuf* piece = set(frames[at]);
        last->next = piece;
        last = piece;
        packet->nb_segs = static_cast<std::uint16_t>(packet->nb_segs + 1);
        packet->pkt_len += frames[at].length;
      }
    return at + 1;
  }

  std::size_t take(void** buffers, std::size_t want) {
    if (rte_mempool_get_bulk(pool_, buffers, static_cast<unsigned>(want)) == 0) return want;
    std::size_t got = 0;  // the pool gives all or none: near its end, one by one
    while (got < want && rte_mempool_get(pool_, buffers + got) == 0) ++got;
    return got;
  }

  PortInfo info_;
  rte_mempool* pool_;
  std::size_t data_at_;     // of an empty buffer, from its mbuf on
  std::uint32_t capacity_;  // and how much it holds
  RxChecksumFlags rx_checksums_;
  Wire wire_;
  PortStats stats_;
  bool refused_ = false;
  std::uint16_t held_ = 0;  // received_[held_at_, held_) did not fit into the last burst
  std::uint16_t held_at_ = 0;
  std::array<rte_mbuf*, kBurst> received_{};
};

}  // namespace millrace::dpdk
