// SPDX-License-Identifier: BSD-3-Clause
//
// The numbering of cells: the peer's window turns fastest, the row slowest.
#include "tests/conformance/state_table/rows.h"

namespace millrace::tcp::test {

Place place_of(std::uint64_t number) {
  const auto digit = [&number](std::uint64_t radix) {
    const std::uint64_t d = number % radix;
    number /= radix;
    return static_cast<std::uint8_t>(d);
  };
  Place p;
  p.cell.send = static_cast<oracle::WindowClass>(digit(oracle::kWindowRows.size()));
  p.cell.receive = static_cast<oracle::WindowClass>(digit(oracle::kWindowRows.size()));
  p.cell.time = static_cast<oracle::TimeClass>(digit(oracle::kTimeRows.size()));
  p.cell.ack = static_cast<oracle::AckClass>(digit(oracle::kAckRows.size()));
  p.cell.text = static_cast<oracle::TextClass>(digit(oracle::kTextRows.size()));
  p.cell.seq = static_cast<oracle::SeqClass>(digit(oracle::kSeqRows.size()));
  p.cell.flags = digit(oracle::kFlagSets);
  p.row = number;
  return p;
}

}  // namespace millrace::tcp::test
