// SPDX-License-Identifier: BSD-3-Clause
//
// Where the RFCs leave a choice, contradict each other, or ask for what would do harm: what the
// oracle takes instead, each with its section. A choice that no cell leans on fails the test, so
// that this list is never longer than the truth.
#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace::oracle {

// X(identifier, section, what is done)
// clang-format off
#define MR_ORACLE_CHOICES(X)                                                                      \
  X(syn_only, "RFC 9293 §3.10.7.2", "of a SYN, text and FIN are not kept")       \
  X(rst_1337, "RFC 1337 §3", "RST in TIME-WAIT is ignored")                                     \
  X(zero_window_allowance, "RFC 9293 MUST-66", "RST and ACK at RCV.NXT are taken, text is not") \
  X(ack_at_right_edge, "RFC 9293 table 6", "an ACK alone is taken at RCV.NXT+RCV.WND too")        \
  X(ack_in_window, "RFC 9293 §3.8.6.1", "SND.NXT beyond SND.UNA+SND.WND: ACKs go from there")     \
  X(timestamp_after_ack, "RFC 7323 §5.3 R3", "TS.Recent moves once the ACK was acceptable") \
  X(syn_received_stays, "RFC 5961 §4.2", "SYN in a passive SYN-RECEIVED: challenge, not LISTEN") \
  X(acks_in_steps, "RFC 9293 §3.8.6.3", "much text at once: an ACK for each two full segments") \
  X(duplicate_ack_alone, "RFC 5681 §2", "a duplicate ACK carries no text: it goes before it") \
  X(syn_received_resets, "RFC 9293 §3.5.2", "bad ACK in SYN-RECEIVED: RST, not RFC 5961's ACK") \
  X(crossed_syn_ack, "RFC 9293 §3.5", "SYN,ACK at IRS opens a SYN-RECEIVED that was SYN-SENT") \
  X(second_fin, "RFC 9293 §3.10.7.4", "a FIN beyond the peer's FIN does not move RCV.NXT") \
  X(reset_in_window, "RFC 5961 §3.2", "RST goes to SND.UNA+SND.WND if SND.NXT is beyond that") \
  X(window_of_new_ack, "RFC 9293 §3.10.7.4", "a new ACK's window counts, whatever SEG.SEQ") \
  X(syn_repeated, "RFC 9293 §3.8.1", "the SYN of a passive SYN-RECEIVED again: so is SYN,ACK") \
  X(time_wait_begin, "RFC 9293 §3.10.7.4", "in TIME-WAIT a segment's first octet must be new") \
  X(time_wait_beyond, "RFC 9293 §3.10.7.4", "in TIME-WAIT text or FIN beyond the FIN is ignored") \
  X(time_wait_old_ack, "RFC 5961 §5.2", "TIME-WAIT keeps no MAX.SND.WND: no ACK is too old") \
  X(anew_by_sequence, "RFC 6191 §2", "no timestamps before: a SYN with them needs a newer SEQ") \
  X(window_rounded_up, "RFC 7323 §2.4", "a scaled window takes nothing back: it is rounded up") \
  X(data_after_close, "RFC 9293 §3.6.1", "text that nobody will read is answered with RST")
// clang-format on

enum class Choice : std::uint8_t {
#define MR_CHOICE_ENUM(name, section, text) name,
  MR_ORACLE_CHOICES(MR_CHOICE_ENUM)
#undef MR_CHOICE_ENUM
};

struct ChoiceText {
  const char* name;
  const char* section;
  const char* text;
};
inline constexpr ChoiceText kChoices[] = {
#define MR_CHOICE_TEXT(name, section, text) {#name, section, text},
    MR_ORACLE_CHOICES(MR_CHOICE_TEXT)
#undef MR_CHOICE_TEXT
};
inline constexpr std::size_t kChoiceCount = sizeof(kChoices) / sizeof(kChoices[0]);
static_assert(kChoiceCount <= 32);

}  // namespace millrace::oracle
