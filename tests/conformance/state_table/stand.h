// SPDX-License-Identifier: BSD-3-Clause
//
// Drives Millrace for the state table: brings a new connection by a scripted exchange into a
// situation, hands it one segment, and tells what came of it in the oracle's words.
//
// The script plays the peer and keeps the peer's books; the oracle is given these books, and they
// are compared with the endpoint's own before the segment arrives.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tcp/endpoint/endpoint.h"
#include "tests/conformance/oracle/oracle.h"
#include "tests/conformance/state_table/rows.h"

namespace millrace::tcp::test {

/// What an endpoint did with a segment.
struct Seen {
  oracle::Verdict verdict;  // but for `why` and `choices`
  Drop drop = Drop::none;
  bool right_bytes = true;  // what was delivered is what was sent
};

class Stand {
 public:
  Stand();

  /// The variables of a new connection in this situation; `number` decides family, tuple and ISN.
  /// Nothing if the endpoint did not get there: then failure() says where.
  [[nodiscard]] std::optional<oracle::Tcb> prepare(const Situation& situation,
                                                   oracle::WindowClass receive,
                                                   std::uint64_t number);
  [[nodiscard]] Seen arrive(const oracle::Segment& segment);
  /// Ends what prepare() began.
  void clear();
  [[nodiscard]] const std::string& failure() const { return failure_; }
  [[nodiscard]] bool ipv6() const { return ipv6_; }

 private:
  struct Peer;  // what the script wants to send

  void fail(const std::string& where);
  void expect(bool ok, const char* what) {
    if (!ok) fail(what);
  }
  [[nodiscard]] Drop in(unsigned flags, std::uint32_t seq, std::uint32_t ack, std::uint32_t text,
                        std::uint16_t window);
  void show_events();
  /// Everything that flush() gives, into sent_.
  void flush();
  void drain();

  void open_passively(const Situation& s);
  void open_actively(const Situation& s);
  void fill(const Situation& s, oracle::WindowClass receive);
  void queue(const Situation& s);
  void finish_ours(const Situation& s);
  void finish_theirs();
  void scale();
  void check_books();
  void look(oracle::Verdict& v) const;
  void read_all(Seen& seen);

  std::unique_ptr<Endpoint> endpoint_;
  std::vector<SegmentOut> burst_;
  std::vector<SegmentOut> sent_;
  Instant now_{std::chrono::seconds(1)};
  std::uint64_t cells_ = 0;
  std::uint64_t restarts_before_ = 0;

  // Of the connection at hand.
  bool ipv6_ = false;
  FourTuple tuple_;
  std::uint8_t profile_ = 0;
  ConnectionId id_;
  oracle::Tcb books_;
  bool peer_timestamps_ = true;
  std::uint32_t our_tsval_ = 0;  // the last that came from the endpoint
  oracle::Verdict told_;         // what the events of this step amount to
  std::string failure_;
};

/// True if the endpoint's reason is one that the oracle's stands for.
[[nodiscard]] bool same_reason(oracle::Why why, Drop drop);

}  // namespace millrace::tcp::test
