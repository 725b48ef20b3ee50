// SPDX-License-Identifier: BSD-3-Clause
//
// RFC 9937 §6, by its names.
#include "tcp/connection/prr.h"

#include <algorithm>

namespace millrace::tcp {

void prr_begin(Prr& prr, std::uint32_t in_flight_bytes) {
  prr = Prr{};
  prr.recover_fs = std::max(in_flight_bytes, 1U);
}

std::uint32_t prr_window(Prr& prr, const PrrSample& s) {
  prr.delivered += s.delivered_bytes;
  std::int64_t sndcnt = 0;
  if (s.pipe_bytes > s.ssthresh_bytes) {
    const std::uint64_t target = std::uint64_t{prr.delivered} * s.ssthresh_bytes;
    sndcnt = static_cast<std::int64_t>((target + prr.recover_fs - 1) / prr.recover_fs) -
             std::int64_t{prr.out};
  } else {
    sndcnt = std::max(std::int64_t{prr.delivered} - std::int64_t{prr.out},
                      std::int64_t{s.delivered_bytes});
    if (s.safe) sndcnt += s.mss;
    sndcnt = std::min(sndcnt, std::int64_t{s.ssthresh_bytes} - std::int64_t{s.pipe_bytes});
  }
  sndcnt = std::max<std::int64_t>(sndcnt, prr.out == 0 ? std::int64_t{s.mss} : 0);
  const std::int64_t window = std::int64_t{s.pipe_bytes} + sndcnt;
  return static_cast<std::uint32_t>(std::max(window, std::int64_t{s.mss}));
}

}  // namespace millrace::tcp
