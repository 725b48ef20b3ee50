// SPDX-License-Identifier: BSD-3-Clause
//
// The second oracle: looks at frames alone, never into an endpoint, and judges every segment that
// an end sends by what that end has been sent before. What it holds to, with the numbers of
// README.md:
//
//   W1  acknowledgments never go back and never cover what has not arrived (RFC 9293 §3.4)
//   W2  the right edge of the window never goes back, and moves by worthwhile steps (§3.8.6.2.2)
//   W3  nothing beyond the window offered, but a probe of one byte (§3.8.6.1)
//   W4  every byte of every segment, again or not, is that of its stream; one FIN, none behind it;
//       none has more than the peer's MSS, or what a SYN cookie keeps of that (RFC 4987 §3.6)
//   W5  SACK blocks lie beyond the ACK, inside the window, disjoint, over bytes that came; before
//       them a DSACK may lie, over bytes that arrived twice (RFC 2883)
//   W6  timestamps run with the clock; the echo is TS.Recent, of a segment that was next (RFC 7323
//       §4.3)
//   W7  retransmissions have a reason: a timeout, three duplicates, a partial ACK (RFC 5681, 6298);
//       with SACK, that something sent later came (RFC 8985 §6), or a probe of the tail (§7); and
//       what is SACKed is not sent again before the peer has shown that it reneged (RFC 2018 §8)
//   W8  timeouts double, and leave one segment in flight (RFC 6298 §5.5, RFC 5681 §3.1)
//   W9  every segment with text is answered in time, two full ones at once (RFC 9293 §3.8.6.3)
//   W10 no second short segment while one is in flight, where Nagle says so (§3.7.4)
//   W11 a RST is one that the peer will believe (§3.10.7.4)
//   W12 SYNs are sent no more often than their limit says (invariant 18)
//
// Checks of time are made only of ends without faults and with memory enough: others have reasons
// that frames do not tell.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "tests/sim/byte_set.h"
#include "tests/sim/pattern.h"
#include "tests/sim/plan.h"
#include "tests/sim/stream_app.h"
#include "tests/support/frame_view.h"

namespace millrace::sim {

class WireAudit {
 public:
  using Talks = std::array<const std::vector<Talk>*, 2>;

  WireAudit(const Plan& plan, const PortBook& ports, const Talks& talks);

  /// `side` has put `frame` on the wire. Returns the tag that travels with it: whose it is.
  std::uint32_t sent(int side, std::span<const std::byte> frame, Instant now);
  /// It has come into the port of `side`. `whole`: as it was sent, bit by bit; else perhaps.
  void delivered(int side, std::uint32_t tag, std::span<const std::byte> frame, bool whole,
                 Instant now);
  /// The first thing that did not hold, or nothing.
  [[nodiscard]] const std::string& complaint() const { return complaint_; }

  // ---- evidence for the verdict: what `side` was told of a connection while its application had
  // it
  /// When something of the peer's last came in whole.
  [[nodiscard]] Instant heard(std::size_t connection, int side) const;
  /// When the peer last acknowledged something new.
  [[nodiscard]] Instant progress(std::size_t connection, int side) const;
  /// When it had the peer's FIN and the ACK of its own.
  [[nodiscard]] Instant finished(std::size_t connection, int side) const;
  /// It was sent something that does not follow upon the SYN at once before it had the connection.
  [[nodiscard]] bool strayed(std::size_t connection, int side) const;
  /// How many segments it has sent since it heard something.
  [[nodiscard]] unsigned tries(std::size_t connection, int side) const;

 private:
  struct Sent {
    tcp::Seq from, to;
    Instant at;
    tcp::Seq offered, sure;  // the edge at that time,
    tcp::Seq believed;       // and the one that the end went by
  };
  struct Told {
    tcp::SackBlock block;
    Instant at;
  };
  /// What one end of a connection has said and heard.
  struct Way {
    // said
    bool begun = false;  // SYN or SYN-ACK sent
    tcp::Seq iss, nxt;
    tcp::Options syn;
    bool fin = false;
    bool closes_last = false;  // its FIN acknowledged the peer's: LAST-ACK
    tcp::Seq fin_end;
    bool acking = false;
    tcp::Seq last_ack, edge;
    bool clamped = false;  // the last window field could not say more
    bool synchronized = false;
    bool stamped = false;
    std::uint32_t last_tsval = 0;
    std::int64_t stamp_base = 0;  // TSval less our clock in milliseconds
    std::deque<Sent> flight;
    // SACK: what the peer has told to hold, and the latest that was sent of what came there
    ByteSet sacked;
    ByteSet twice;           // what came here more than once
    std::vector<Told> told;  // lately: it may not have had its turn
    Instant delivered{};
    bool has_delivered = false;
    std::uint32_t full_limit = 0xffff'ffff;
    bool narrowed = false;  // it may have taken its path for a narrow one, unseen
    bool probed = false;    // the tail went again and nothing new was acknowledged since
    tcp::Seq short_end;
    bool has_short = false;
    unsigned syns = 0;  // of this number
    tcp::Seq last_syn;
    std::uint32_t syn_text = 0;  // Fast Open: bytes that went with the SYN
    // heard
    tcp::Seq una, offered;
    tcp::Seq sure;  // the latest edge that it must have heard
    bool certain = false;
    tcp::Seq last_told;  // the ACK of the latest segment, heard or not
    // Segments that overtook others keep these from updating the window (SND.WL1).
    tcp::Seq believed, wl1;
    bool believing = false;
    ByteSet arrived;  // of the peer's stream
    unsigned duplicates = 0, syns_heard = 0;
    bool strayed = false;
    std::uint16_t syn_window = 0;  // of the SYN that was heard last, never scaled
    bool echo_known = false;
    std::uint32_t echo = 0;
    std::vector<std::pair<tcp::Seq, std::uint32_t>> early_stamps;
    Instant heard{}, progress{}, finished{};
    unsigned tries = 0;
    // retransmission
    tcp::Seq recover;
    bool recovering = false, alone = false;
    bool doubtful = false;  // a frame came damaged below TCP: nobody knows whether it was heard
    unsigned timeouts = 0;  // in a row, with nothing heard between
    Duration gap{0};
    // duty to answer
    Instant duty_since{};
    Instant answer_by = Instant::max();
    Instant full_by = Instant::max();
    unsigned full_segments = 0;
    tcp::Seq full_next;
  };
  struct Flow {
    std::array<Way, 2> way;
    bool muddled = false;  // two incarnations of one plan: no more to be told apart
  };
  /// When an end last asked all for its neighbour's address, and when it was told.
  struct Wait {
    Instant asked{}, told{};
  };
  /// One segment on its way out, with whose it is.
  struct Look {
    const FrameView& view;
    std::size_t index;
    int side;
    Instant now;
    Way& own;
    Way& peer;
  };

  [[nodiscard]] std::uint32_t find(int side, const FrameView& view);
  void begin(const Look& look, Flow& flow);
  void check_sent(const Look& look);
  void check_ack(const Look& look);
  void check_edge(const Look& look);
  void check_text(const Look& look);
  void check_sack(const Look& look);
  void check_stamps(const Look& look);
  void check_reset(const Look& look);
  void check_again(const Look& look);
  void note_silence(const Look& look);
  void note_smaller_path(const Look& look);
  void check_sacked(const Look& look);
  void hear_sack(const Look& look, bool whole);
  static void heed_sacks(Way& own, Instant now);
  void check_timeout(const Look& look, Duration gap);
  void check_nagle(const Look& look);
  void check_duty(const Look& look);
  void note_sent(const Look& look);
  [[nodiscard]] bool has_waited(const Look& look, Instant then) const;
  [[nodiscard]] static bool is_stale(const Look& look);
  void hear_router(int side, std::uint32_t tag, std::span<const std::byte> frame);
  void hear_ack(const Look& look, bool whole);
  void hear_text(const Look& look, bool whole);
  void note_finished(const Look& look);
  [[nodiscard]] bool is_over(const Look& look) const {
    const Talk& t = (*talks_[static_cast<std::size_t>(look.side)])[look.index];
    return t.phase == Talk::Phase::closed;
  }
  [[nodiscard]] bool exact(int side) const { return exact_[static_cast<std::size_t>(side)]; }
  [[nodiscard]] bool agreed_on_sack(const Look& look) const {
    return look.own.syn.has_sack_permitted() && look.peer.syn.has_sack_permitted();
  }
  [[nodiscard]] int scale(const Way& of, const Way& other) const;
  /// What the peer's MSS leaves for text.
  [[nodiscard]] std::uint32_t most_payload(const Look& look) const;
  [[nodiscard]] std::uint32_t full_payload(const Look& look) const;
  /// The least that a full segment may be, of an end that may have lowered its MSS unseen.
  [[nodiscard]] std::uint32_t worthy_payload(const Look& look) const;
  [[nodiscard]] const tcp::TcpConfig& config(int side) const {
    return plan_.end[static_cast<std::size_t>(side)].tcp;
  }
  void complain(const Look& look, const std::string& what);

  const Plan& plan_;
  const PortBook& ports_;
  Talks talks_;
  Pattern pattern_;
  std::array<bool, 2> exact_{};
  bool calm_ = true;            // no end has faults
  Duration neighbour_time_{0};  // how long an answer may wait for the neighbour's address
  std::array<std::array<Wait, 2>, 2> waits_{};  // of IPv4 and IPv6, by side
  std::vector<Flow> flows_;
  std::string complaint_;
};

}  // namespace millrace::sim
