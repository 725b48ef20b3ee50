// SPDX-License-Identifier: BSD-3-Clause
//
// Runs of first transmissions. Where there is no room for one more run, two neighbours become one
// that counts as sent when the later of them was.
#include "tcp/connection/send_log.h"

namespace millrace::tcp {
namespace {

constexpr std::uint32_t kRunsPerRoundTripShift = 5;

[[nodiscard]] SentRun& run_at(SendLog& log, std::uint32_t i) {
  return log.runs[(log.head + i) % kLoggedRuns];
}
[[nodiscard]] const SentRun& run_at(const SendLog& log, std::uint32_t i) {
  return log.runs[(log.head + i) % kLoggedRuns];
}

// Every two runs become one.
void thin_out(SendLog& log) {
  for (std::uint32_t i = 0; 2 * i + 1 < log.count; ++i) {
    const SentRun& second = run_at(log, 2 * i + 1);
    run_at(log, i) = {second.end, run_at(log, 2 * i).began, second.ended};
  }
  log.count /= 2;
}
static_assert(kLoggedRuns % 2 == 0);

// How many of the runs that are kept end at `seq` or before.
[[nodiscard]] std::uint32_t runs_before(const SendLog& log, Seq seq) {
  std::uint32_t low = 0;
  std::uint32_t high = log.count;
  while (low < high) {
    const std::uint32_t middle = (low + high) / 2;
    if (after(run_at(log, middle).end, seq)) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

// What was noted long ago would seem to lie ahead once half the circle has gone by: a bulk transfer
// has one SendState for as long as it lasts.
void draw_near(const Connection& c, Seq& mark) {
  constexpr std::int32_t kLongAgo = 1 << 30;
  if (distance(mark, c.snd_una) > kLongAgo) mark = c.snd_una - 1;
}

}  // namespace

void close_run(const Connection& c, SendState& st, Stamp at, const Context& context) {
  draw_near(c, st.recover);
  draw_near(c, st.ecn_recover);
  draw_near(c, st.short_end);
  const Stamp most = us_to_stamps(c.srtt_us >> kRunsPerRoundTripShift);
  const bool goes_on = at - st.run_began <= most;
  const Stamp ended = st.sent_at;
  st.sent_at = at;
  if (goes_on || !c.has(Connection::kSack)) return;
  if (st.log == kNil) {
    st.log = context.stores.logs.create();
    if (st.log == kNil) return;
  }
  SendLog& log = context.stores.logs[st.log];
  if (log.count == kLoggedRuns) thin_out(log);
  run_at(log, log.count++) = {c.snd_nxt, st.run_began, ended};
  st.run_began = at;
}

SentRun run_of(const Connection& c, const SendState& st, const Stores& stores, Seq seq) {
  const SentRun latest{c.snd_nxt, st.run_began, st.sent_at};
  if (st.log == kNil) return latest;
  const SendLog& log = stores.logs[st.log];
  const std::uint32_t i = runs_before(log, seq);
  return i == log.count ? latest : run_at(log, i);
}

Seq sent_until(const Connection& c, const SendState& st, const Stores& stores, Stamp now,
               Stamp age) {
  if (now - st.sent_at >= age) return c.snd_nxt;
  if (st.log == kNil) return c.snd_una;
  const SendLog& log = stores.logs[st.log];
  Seq end = c.snd_una;
  for (std::uint32_t i = 0; i < log.count && now - run_at(log, i).ended >= age; ++i) {
    end = later_of(end, run_at(log, i).end);
  }
  return end;
}

}  // namespace millrace::tcp
