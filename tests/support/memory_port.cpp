// SPDX-License-Identifier: BSD-3-Clause
//
// Ownership is checked at every hand-off; a second release or a frame that is not ours is fatal.
#include "tests/support/memory_port.h"

#include <algorithm>
#include <cstring>

#include "tcp/base/check.h"
#include "tests/support/offload.h"

namespace millrace::test {

MemoryPort::MemoryPort(const MemoryPortConfig& config, Sink sink)
    : config_(config), sink_(std::move(sink)), random_(config.seed), buffers_(config.buffers) {
  for (std::uint32_t i = config.buffers; i-- > 0;) free_.push_back(i);
}

MemoryPort::~MemoryPort() = default;

MemoryPort::Buffer* MemoryPort::take(std::size_t bytes, Owner owner) {
  if (dry_ || free_.empty()) return nullptr;
  Buffer& b = buffers_[free_.back()];
  free_.pop_back();
  MR_CHECK(b.owner == Owner::pool);
  b.memory = std::make_unique_for_overwrite<std::byte[]>(bytes);
  b.owner = owner;
  (owner == Owner::worker ? with_worker_ : with_device_) += 1;
  return &b;
}

void MemoryPort::give_back(const Frame& frame, Owner expected) {
  auto* const b = static_cast<Buffer*>(frame.buffer);
  MR_CHECK(b >= buffers_.data() && b < buffers_.data() + buffers_.size());
  MR_CHECK(b->owner == expected);
  (expected == Owner::worker ? with_worker_ : with_device_) -= 1;
  b->owner = Owner::pool;
  b->memory.reset();
  free_.push_back(static_cast<std::uint32_t>(b - buffers_.data()));
}

std::uint32_t MemoryPort::free_buffers() const { return static_cast<std::uint32_t>(free_.size()); }

bool MemoryPort::deliver(std::span<const std::byte> frame, std::uint16_t flags,
                         std::size_t piece_bytes) {
  if (!link_) return false;
  const std::size_t pieces =
      (frame.size() + piece_bytes - 1) / std::max<std::size_t>(piece_bytes, 1);
  if (rx_.size() + pieces > config_.rx_ring) {
    ++stats_.rx_missed;
    return false;
  }
  if (dry_ || free_.size() < pieces) {
    ++stats_.rx_no_buffer;
    return false;
  }
  if (config_.rx_checksums) flags = static_cast<std::uint16_t>(flags | offload_receive(frame));
  for (std::size_t at = 0; at < frame.size(); at += piece_bytes) {
    const std::size_t bytes = std::min(piece_bytes, frame.size() - at);
    Buffer* const b = take(bytes, Owner::device);
    std::memcpy(b->memory.get(), frame.data() + at, bytes);
    Frame f;
    f.data = b->memory.get();
    f.length = static_cast<std::uint32_t>(bytes);
    f.buffer = b;
    f.flags = flags;
    if (at + bytes < frame.size()) f.flags = static_cast<std::uint16_t>(flags | Frame::kContinues);
    rx_.push_back(f);
  }
  ++delivered_;
  ++stats_.rx_frames;
  stats_.rx_bytes += frame.size();
  return true;
}

std::size_t MemoryPort::rx_burst(std::span<Frame> frames) {
  std::size_t n = 0;
  while (n < frames.size() && !rx_.empty()) {
    std::size_t pieces = 1;
    while (rx_[pieces - 1].has(Frame::kContinues)) ++pieces;
    if (n + pieces > frames.size()) break;
    for (; pieces > 0; --pieces) {
      frames[n] = rx_.front();
      static_cast<Buffer*>(frames[n].buffer)->owner = Owner::worker;
      rx_.pop_front();
      ++n;
      --with_device_;
      ++with_worker_;
    }
  }
  return n;
}

std::size_t MemoryPort::allocate(std::span<Frame> frames) {
  if (allocate_failure_ > 0 && random_.chance(allocate_failure_)) return 0;
  std::size_t n = 0;
  const std::uint32_t capacity = config_.info.mtu + 18U;
  for (; n < frames.size(); ++n) {
    Buffer* const b = take(capacity, Owner::worker);
    if (b == nullptr) break;
    frames[n] = {};
    frames[n].data = b->memory.get();
    frames[n].capacity = capacity;
    frames[n].buffer = b;
  }
  return n;
}

void MemoryPort::release(std::span<Frame> frames) {
  for (const Frame& f : frames) give_back(f, Owner::worker);
}

/// How many of `frames` this burst takes: whole packets only.
std::size_t MemoryPort::packet_room(std::span<const Frame> frames) const {
  const std::size_t room = tx_room_.value_or(frames.size());
  std::size_t whole = 0;
  for (std::size_t i = 0; i < std::min(room, frames.size()); ++i) {
    if (!frames[i].has(Frame::kContinues)) whole = i + 1;
  }
  return whole;
}

std::size_t MemoryPort::tx_burst(std::span<Frame> frames) {
  std::size_t n = packet_room(frames);
  if (tx_refusal_ > 0 && random_.chance(tx_refusal_)) {
    n = packet_room(frames.first(random_.below(n + 1)));
  }
  if (n < frames.size()) ++stats_.tx_refused;
  for (std::size_t at = 0; at < n;) {
    std::size_t pieces = 1;
    while (frames[at + pieces - 1].has(Frame::kContinues)) ++pieces;
    MR_CHECK(pieces <= std::max<std::size_t>(config_.info.max_pieces, 1));
    transmit_packet(frames.subspan(at, pieces));
    at += pieces;
  }
  complete(config_.hold_tx_frames);
  return n;
}

void MemoryPort::transmit_packet(std::span<const Frame> pieces) {
  Bytes packet;
  for (const Frame& f : pieces) {
    auto* const b = static_cast<Buffer*>(f.buffer);
    MR_CHECK(b->owner == Owner::worker && f.length > 0);
    packet.insert(packet.end(), f.data, f.data + f.length);
    b->owner = Owner::device;
    --with_worker_;
    ++with_device_;
    sent_.push_back(f);
  }
  const Frame& first = pieces.front();
  MR_CHECK(config_.info.tx_tso || !first.has(Frame::kOffloadTso));
  MR_CHECK(config_.info.tx_tcp_checksum || !first.has(Frame::kOffloadTcpChecksum));
  MR_CHECK(config_.info.tx_ip_checksum || !first.has(Frame::kOffloadIpChecksum));
  for (const Bytes& frame : offload_transmit(std::move(packet), first)) {
    MR_CHECK(frame.size() <= config_.info.mtu + 22U);
    ++stats_.tx_frames;
    stats_.tx_bytes += frame.size();
    if (link_ && sink_) sink_(frame);
  }
}

void MemoryPort::complete(std::size_t keep) {
  while (sent_.size() > keep) {
    give_back(sent_.front(), Owner::device);
    sent_.pop_front();
  }
}

PortStats MemoryPort::stats() {
  PortStats s = stats_;
  s.buffers_free = free_.size();
  s.buffers_total = buffers_.size();
  return s;
}

}  // namespace millrace::test
