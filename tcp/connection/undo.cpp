// SPDX-License-Identifier: BSD-3-Clause
//
// RFC 3522 §3.2, RFC 3708 §3, RFC 4015 §3.
#include "tcp/connection/undo.h"

#include <algorithm>

#include "tcp/congestion/congestion.h"
#include "tcp/connection/path_model.h"
#include "tcp/connection/timestamps.h"

namespace millrace::tcp {

void undo_begin(const Connection& c, Undo& undo, const Context& context) {
  undo = Undo{};
  undo.before = c.congestion;
  undo.algorithm = algorithm_of(c, context.config);
  undo.possible = true;
  undo.marker = c.snd_una;
}

void undo_note_resent(const Connection& c, Undo& undo, Seq first, std::uint32_t bytes,
                      const Context& context) {
  if (!undo.any) {
    undo.any = true;
    undo.first_tsval = tsval_of(c, context.now);
    undo.first_pending = first == c.snd_una && c.has(Connection::kTimestamps);
  }
  undo.bytes += bytes;
}

bool undo_by_timestamp(const Connection& c, Undo& undo, const SegmentIn& segment) {
  if (!undo.possible || !undo.first_pending || !after(segment.ack, c.snd_una)) return false;
  undo.first_pending = false;
  return segment.options.has_timestamps() && segment.options.tsecr != 0 &&
         ts_before(segment.options.tsecr, undo.first_tsval);
}

bool undo_by_dsack(Undo& undo, const SackBlock& block) {
  if (!undo.possible || undo.bytes == 0 || before(block.left, undo.marker)) return false;
  undo.bytes -= std::min(undo.bytes, bytes_between(block.left, block.right));
  return undo.bytes == 0;
}

void undo_window(Connection& c, Undo& undo, const Context& context) {
  undo.possible = false;
  if (undo.algorithm != algorithm_of(c, context.config)) return;
  if (undo.algorithm == CongestionAlgorithm::bbr) return model_on_spurious(c, context);
  congestion_undo(c.congestion, undo.before);
}

}  // namespace millrace::tcp
