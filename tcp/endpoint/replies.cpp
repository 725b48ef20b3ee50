// SPDX-License-Identifier: BSD-3-Clause
//
// The queue of segments that no connection owns, and the RST for a closed port.
#include "tcp/endpoint/replies.h"

#include "tcp/base/check.h"

namespace millrace::tcp {

Reply reset_for(const FourTuple& tuple, const SegmentIn& segment) {
  Reply r;
  r.tuple = tuple;
  if (segment.flags.ack()) {
    r.seq = segment.ack;
    r.flags = Flags{Flags::kRst};
  } else {
    r.seq = Seq{0};
    r.ack = segment.seq + segment.length();
    r.flags = Flags{Flags::kRst | Flags::kAck};
  }
  return r;
}

Reply reset_for(const FourTuple& tuple, const SegmentIn& segment, const TcpConfig& config) {
  Reply reset = reset_for(tuple, segment);
  reset.ttl = config.ttl;
  reset.dscp = config.dscp;
  return reset;
}

void write_reply(const Reply& reply, SegmentOut& out) {
  out.tuple = reply.tuple;
  out.seq = reply.seq;
  out.ack = reply.ack;
  out.window = reply.window;
  out.flags = reply.flags;
  out.ecn = 0;
  out.dscp = reply.dscp;
  out.ttl = reply.ttl;
  out.piece_count = 0;
  out.segment_size = 0;
  out.payload_bytes = 0;
  out.options.has = reply.options;
  out.options.window_scale = reply.window_scale;
  out.options.sack_count = 0;
  out.options.mss = reply.mss;
  out.options.tsval = reply.tsval;
  out.options.tsecr = reply.tsecr;
}

Replies::Replies()
    : pages_(std::size_t{kCapacity} * sizeof(Reply)),
      slots_(reinterpret_cast<Reply*>(pages_.data())) {}

bool Replies::push(const Reply& reply) {
  Reply* const slot = add();
  if (slot != nullptr) *slot = reply;
  return slot != nullptr;
}

const Reply& Replies::pop() {
  MR_DCHECK(!empty());
  return slots_[head_++ & (kCapacity - 1)];
}

}  // namespace millrace::tcp
