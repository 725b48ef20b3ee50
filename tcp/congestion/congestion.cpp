// SPDX-License-Identifier: BSD-3-Clause
//
// Which algorithm answers, and what all of them have in common: the initial window (RFC 6928), the
// one segment after a timeout (RFC 5681 §3.1) and the restart after idling (RFC 5681 §4.1).
#include "tcp/congestion/congestion.h"

#include <algorithm>

#include "tcp/congestion/cubic.h"
#include "tcp/congestion/dctcp.h"
#include "tcp/congestion/hystart.h"
#include "tcp/congestion/newreno.h"

namespace millrace::tcp {
namespace {

[[nodiscard]] bool has_model(const CongestionState& state) { return state.words[3] == kModelTag; }

}  // namespace

void congestion_init(CongestionAlgorithm algorithm, CongestionState& state, std::uint32_t mss) {
  state = CongestionState{};
  state.cwnd = initial_window(mss);
  switch (algorithm) {
    case CongestionAlgorithm::newreno:
      return;
    case CongestionAlgorithm::cubic:
      return hystart::begin(state);
    case CongestionAlgorithm::dctcp:
      return dctcp::begin(state);
    case CongestionAlgorithm::bbr:
      return hystart::begin(state);
  }
}

void congestion_on_ack(CongestionAlgorithm algorithm, CongestionState& state,
                       const AckSample& sample, Instant now) {
  switch (algorithm) {
    case CongestionAlgorithm::newreno:
      return newreno::on_ack(state, sample);
    case CongestionAlgorithm::cubic:
      return cubic::on_ack(state, sample, now);
    case CongestionAlgorithm::dctcp:
      return dctcp::on_ack(state, sample);
    case CongestionAlgorithm::bbr:
      if (!has_model(state)) cubic::on_ack(state, sample, now);
      return;
  }
}

void congestion_on_loss(CongestionAlgorithm algorithm, CongestionState& state,
                        std::uint32_t flight_bytes, std::uint32_t mss, Instant /*now*/) {
  switch (algorithm) {
    case CongestionAlgorithm::newreno:
      return newreno::on_loss(state, flight_bytes, mss);
    case CongestionAlgorithm::cubic:
      return cubic::on_loss(state, flight_bytes, mss);
    case CongestionAlgorithm::dctcp:
      return dctcp::on_loss(state, flight_bytes, mss);
    case CongestionAlgorithm::bbr:
      if (!has_model(state)) cubic::on_loss(state, flight_bytes, mss);
      return;
  }
}

void congestion_on_mark(CongestionAlgorithm algorithm, CongestionState& state,
                        std::uint32_t flight_bytes, std::uint32_t mss, Instant now) {
  if (algorithm == CongestionAlgorithm::dctcp) return dctcp::on_mark(state, mss);
  congestion_on_loss(algorithm, state, flight_bytes, mss, now);
}

void congestion_count_marks(CongestionAlgorithm algorithm, CongestionState& state,
                            std::uint32_t acked_bytes, bool marked, Seq ack, Seq snd_nxt) {
  if (algorithm == CongestionAlgorithm::dctcp)
    dctcp::count(state, acked_bytes, marked, ack, snd_nxt);
}

void congestion_on_timeout(CongestionAlgorithm algorithm, CongestionState& state,
                           std::uint32_t flight_bytes, std::uint32_t mss, bool first_timeout,
                           Instant now) {
  // A segment that is lost again says nothing new about the path: SSTHRESH is held.
  if (first_timeout) congestion_on_loss(algorithm, state, flight_bytes, mss, now);
  if (algorithm == CongestionAlgorithm::cubic) cubic::forget_plateau(state);
  state.cwnd = mss;
}

void congestion_undo(CongestionState& state, const CongestionState& before) {
  const std::uint32_t cwnd = std::max(state.cwnd, before.cwnd);
  state = before;
  state.cwnd = cwnd;
}

void congestion_on_idle_restart(CongestionAlgorithm algorithm, CongestionState& state,
                                std::uint32_t mss) {
  if (algorithm == CongestionAlgorithm::bbr) return;  // it keeps its model, and paces by it
  state.cwnd = std::min(state.cwnd, initial_window(mss));
  if (algorithm == CongestionAlgorithm::cubic) cubic::on_idle_restart(state);
}

std::optional<CongestionAlgorithm> congestion_from_name(std::string_view name) {
  for (const auto algorithm : {CongestionAlgorithm::newreno, CongestionAlgorithm::cubic,
                               CongestionAlgorithm::dctcp, CongestionAlgorithm::bbr}) {
    if (name == congestion_name(algorithm)) return algorithm;
  }
  return std::nullopt;
}

std::string_view congestion_name(CongestionAlgorithm algorithm) {
  switch (algorithm) {
    case CongestionAlgorithm::newreno:
      return "newreno";
    case CongestionAlgorithm::cubic:
      return "cubic";
    case CongestionAlgorithm::dctcp:
      return "dctcp";
    case CongestionAlgorithm::bbr:
      return "bbr";
  }
  return "unknown";
}

std::string_view congestion_names() { return "newreno, cubic, dctcp, bbr"; }

}  // namespace millrace::tcp
