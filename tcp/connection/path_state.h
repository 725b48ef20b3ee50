// SPDX-License-Identifier: BSD-3-Clause
//
// What a connection with a model of its path keeps (path_model.h): cold, from a bounded pool.
#pragma once

#include <cstdint>

#include "tcp/base/seq.h"
#include "tcp/congestion/bbr.h"
#include "tcp/connection/delivery_rate.h"

namespace millrace::tcp {

struct alignas(64) PathModel {
  RateSampler rate;
  bbr::RateSample sample;  // of the ACK at hand
  bbr::Bbr bbr;
  std::uint32_t initial_cwnd = 0;
  Seq dry_end;           // SND.NXT when all that was queued had been sent; valid if dry
  Seq full_end;          // SND.NXT when the window last was full; valid if full
  bool sampled = false;  // `sample` is told
  bool dry = true;       // and nothing waited since
  bool full = false;
  bool cwnd_limited = false;  // C.is_cwnd_limited, for the ACK at hand
};
static_assert(sizeof(PathModel) <= 704);

}  // namespace millrace::tcp
