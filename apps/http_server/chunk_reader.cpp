// SPDX-License-Identifier: BSD-3-Clause
//
// One state per byte of framing; data are passed over at once.
#include "apps/http_server/chunk_reader.h"

#include <algorithm>

namespace millrace::http {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_text(char c) { return c == '\t' || (c >= 0x20 && c != 0x7f); }

}  // namespace

ChunkReader::State ChunkReader::extra(char c, State stay, State lf) {
  if (c == '\r') return lf;
  if (!is_text(c) || ++extra_ > kMostExtra) return State::bad;
  return stay;
}

ChunkReader::State ChunkReader::after_size_digit(char c, bool first) {
  const int digit = hex_value(c);
  if (digit >= 0) {
    // Leading zeros count as extra bytes: they must not go on for ever either.
    if (left_ > (~std::uint64_t{0} >> 1) >> 4) return State::bad;
    if (left_ == 0 && digit == 0 && ++extra_ > kMostExtra) return State::bad;
    left_ = left_ << 4 | static_cast<unsigned>(digit);
    return State::size;
  }
  if (first) return State::bad;
  if (c == '\r') return State::size_lf;
  return c == ';' ? State::extension : State::bad;
}

ChunkReader::State ChunkReader::after(char c) {
  switch (state_) {
    case State::size_first:
      left_ = 0;
      return after_size_digit(c, true);
    case State::size:
      return after_size_digit(c, false);
    case State::extension:
      return extra(c, State::extension, State::size_lf);
    case State::size_lf:
      if (c != '\n') return State::bad;
      return left_ == 0 ? State::trailer_start : State::data;
    case State::data_cr:
      return c == '\r' ? State::data_lf : State::bad;
    case State::data_lf:
      return c == '\n' ? State::size_first : State::bad;
    case State::trailer_start:
      return c == ' ' ? State::bad : extra(c, State::trailer, State::end_lf);
    case State::trailer:
      return extra(c, State::trailer, State::trailer_lf);
    case State::trailer_lf:
      return c == '\n' ? State::trailer_start : State::bad;
    case State::end_lf:
      return c == '\n' ? State::done : State::bad;
    case State::data:
    case State::done:
    case State::bad:
      break;
  }
  return state_;
}

ChunkReader::Step ChunkReader::next(std::string_view bytes, std::size_t most) {
  Step step;
  for (; state_ != State::done && state_ != State::bad; ++step.used) {
    if (state_ == State::data) {
      if (step.used == bytes.size() || most == 0) return step;
      const auto count = static_cast<std::size_t>(
          std::min({left_, std::uint64_t{bytes.size() - step.used}, std::uint64_t{most}}));
      step.data = bytes.substr(step.used, count);
      step.used += count;
      left_ -= count;
      if (left_ == 0) state_ = State::data_cr;
      step.outcome = Outcome::data;
      return step;
    }
    if (step.used == bytes.size()) return step;
    state_ = after(bytes[step.used]);
  }
  step.outcome = state_ == State::done ? Outcome::done : Outcome::bad;
  return step;
}

}  // namespace millrace::http
