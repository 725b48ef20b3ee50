// SPDX-License-Identifier: BSD-3-Clause
//
// What does each congestion control make of a path? One bulk connection over links of 10, 100 and
// 1000 Mbit/s, 10 and 100 ms, with buffers of one BDP and a fifth of it, without loss and with
// random loss: the share of the link it fills, and the mean queue and flight in BDPs. A virtual
// clock: the figures are exact, and the same on every machine.
//
//   bench_congestion [--seconds N] [--only NAME]
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "tests/support/bulk_path.h"

namespace millrace {
namespace {

void run(tcp::CongestionAlgorithm algorithm, std::uint64_t mbit, Duration rtt, double buffer_bdp,
         double loss, Duration time) {
  test::PathPlan plan;
  plan.bytes_per_second = mbit * 125'000;
  plan.round_trip = rtt;
  const double bdp =
      static_cast<double>(plan.bytes_per_second) * std::chrono::duration<double>(rtt).count();
  plan.buffer_bytes = static_cast<std::uint64_t>(bdp * buffer_bdp);
  plan.loss = loss;
  plan.tcp.congestion = algorithm;
  test::BulkPath path(plan);
  path.run(time / 3);
  path.begin_count();
  path.run(time - time / 3);
  const test::BulkPath::Figures f = path.figures();
  std::printf("%-8s %5lu %4ld %5.1f %6.1f %8.1f %8.2f %8.2f %8.2f %5lu\n",
              std::string(tcp::congestion_name(algorithm)).c_str(), mbit,
              static_cast<long>(rtt / 1ms), buffer_bdp, loss * 100,
              100 * f.bytes_per_second / static_cast<double>(plan.bytes_per_second),
              f.mean_queue_bytes / bdp, f.mean_in_flight_bytes / bdp,
              100.0 * static_cast<double>(f.overflowed_segments) /
                  static_cast<double>(std::max<std::uint64_t>(f.sent_segments, 1)),
              f.timeouts);
  std::fflush(stdout);
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  using namespace millrace;
  Duration time = 45s;
  std::string_view only;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view option = argv[i];
    if (option == "--seconds") time = 1s * std::atoi(argv[i + 1]);
    if (option == "--only") only = argv[i + 1];
  }
  std::printf("%-8s %5s %4s %5s %6s %8s %8s %8s %8s %5s\n", "", "Mbit", "ms", "buf", "loss%",
              "link%", "queue", "flight", "over%", "RTOs");
  for (const std::uint64_t mbit : {10U, 100U, 1000U}) {
    for (const Duration rtt : {Duration{10ms}, Duration{100ms}}) {
      for (const double buffer : {1.0, 0.2}) {
        for (const double loss : {0.0, 0.001, 0.01}) {
          for (const auto algorithm :
               {tcp::CongestionAlgorithm::bbr, tcp::CongestionAlgorithm::cubic}) {
            if (!only.empty() && only != tcp::congestion_name(algorithm)) continue;
            run(algorithm, mbit, rtt, buffer, loss, time);
          }
        }
      }
    }
  }
  return 0;
}
