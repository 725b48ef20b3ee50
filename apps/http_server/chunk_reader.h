// SPDX-License-Identifier: BSD-3-Clause
//
// A chunked request body taken apart as strictly as its head (RFC 9112 §7.1): sizes of hexadecimal
// digits alone and below 2^63, CRLF where CRLF belongs, extensions and trailers bounded and
// dropped. libhttp-parser is lenient here and would have to be kept for each body; this is sixteen
// bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace millrace::http {

class ChunkReader {
 public:
  enum class Outcome : std::uint8_t {
    more,  // all bytes were framing; give the ones that follow
    data,  // `data` lies in the bytes given
    done,  // the body is over; what was not used belongs to the next request
    bad,
  };
  struct Step {
    Outcome outcome = Outcome::more;
    std::size_t used = 0;  // bytes of the input, `data` included
    std::string_view data;
  };

  /// At most up to the end of the first piece of data in `bytes`, and no more than `most` bytes of
  /// it.
  [[nodiscard]] Step next(std::string_view bytes, std::size_t most);

 private:
  enum class State : std::uint8_t {
    size_first,
    size,
    extension,
    size_lf,
    data,
    data_cr,
    data_lf,
    trailer_start,
    trailer,
    trailer_lf,
    end_lf,
    done,
    bad,
  };
  static constexpr std::uint16_t kMostExtra = 1024;  // bytes of extensions and trailers in all

  [[nodiscard]] State after(char c);
  [[nodiscard]] State after_size_digit(char c, bool first);
  [[nodiscard]] State extra(char c, State stay, State lf);

  std::uint64_t left_ = 0;  // of this chunk
  std::uint16_t extra_ = 0;
  State state_ = State::size_first;
};
static_assert(sizeof(ChunkReader) == 16);

}  // namespace millrace::http
