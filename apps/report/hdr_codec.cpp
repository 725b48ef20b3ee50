// SPDX-License-Identifier: BSD-3-Clause
//
// HdrHistogram's V2 encoding. Numbers of the header are big-endian:
//
//   compressed: cookie 0x1c849314, length of what follows, zlib stream of
//   plain:      cookie 0x1c849313, length of the counts, normalizing offset, significant digits,
//               lowest and highest value (64 bits each), ratio to the unit (a double), counts
//   counts:     from bin 0 to the last that is not empty; a negative number is a run of empty bins
#include "apps/report/hdr_codec.h"

#include <zlib.h>

#include <array>
#include <bit>
#include <cstdint>
#include <vector>

namespace millrace::report {
namespace {

constexpr std::uint32_t kPlainCookie = 0x1c849313;
constexpr std::uint32_t kCompressedCookie = 0x1c849314;
constexpr std::uint32_t kDigits = 3;
constexpr std::size_t kHeaderBytes = 40;
constexpr std::size_t kCompressedHeaderBytes = 8;
constexpr std::size_t kMostNumberBytes = 9;
// No count that fits takes more: what claims to is not one of ours.
constexpr std::size_t kMostPlainBytes = kHeaderBytes + kMostNumberBytes * Histogram::kBins;
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

using Bytes = std::vector<std::uint8_t>;

template <typename T>
void put(Bytes& out, T value) {
  for (int shift = int{sizeof(T)} * 8 - 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<std::uint8_t>(value >> shift));
  }
}

template <typename T>
T take(const Bytes& in, std::size_t at) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) value = static_cast<T>(value << 8 | in[at + i]);
  return value;
}

/// Seven bits a byte, the least first; a ninth byte has all its eight.
void put_number(Bytes& out, std::int64_t number) {
  auto left = static_cast<std::uint64_t>(number) << 1 ^ static_cast<std::uint64_t>(number >> 63);
  for (std::size_t i = 0; i + 1 < kMostNumberBytes; ++i) {
    if (left < 0x80) return out.push_back(static_cast<std::uint8_t>(left));
    out.push_back(static_cast<std::uint8_t>(left | 0x80));
    left >>= 7;
  }
  out.push_back(static_cast<std::uint8_t>(left));
}

/// False where the bytes end within the number.
bool take_number(const Bytes& in, std::size_t& at, std::int64_t& number) {
  std::uint64_t found = 0;
  for (std::size_t i = 0; i < kMostNumberBytes; ++i) {
    if (at == in.size()) return false;
    const std::uint64_t byte = in[at++];
    const bool last = i + 1 == kMostNumberBytes;
    found |= (last ? byte : byte & 0x7F) << 7 * i;
    if (last || byte < 0x80) break;
  }
  number = static_cast<std::int64_t>(found >> 1 ^ (~(found & 1) + 1));
  return true;
}

Bytes counts_of(const Histogram& h) {
  Bytes out;
  std::int64_t empty = 0;
  std::uint64_t left = h.count();
  for (std::size_t bin = 0; left > 0; ++bin) {
    const std::uint64_t count = h.count_at(bin);
    left -= count;
    if (count == 0) {
      ++empty;
      continue;
    }
    if (empty > 0) put_number(out, -empty);
    empty = 0;
    put_number(out, static_cast<std::int64_t>(count));
  }
  return out;
}

Bytes plain_of(const Histogram& h) {
  const Bytes counts = counts_of(h);
  Bytes out;
  out.reserve(kHeaderBytes + counts.size());
  put(out, kPlainCookie);
  put(out, static_cast<std::uint32_t>(counts.size()));
  put(out, std::uint32_t{0});
  put(out, kDigits);
  put(out, std::uint64_t{1});
  put(out, Histogram::kMaxValue);
  put(out, std::bit_cast<std::uint64_t>(1.0));
  out.insert(out.end(), counts.begin(), counts.end());
  return out;
}

std::string to_base64(const Bytes& bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t here = bytes.size() - i;
    const std::uint32_t three = std::uint32_t{bytes[i]} << 16 |
                                (here > 1 ? std::uint32_t{bytes[i + 1]} << 8 : 0) |
                                (here > 2 ? std::uint32_t{bytes[i + 2]} : 0);
    text += kBase64[three >> 18];
    text += kBase64[three >> 12 & 63];
    text += here > 1 ? kBase64[three >> 6 & 63] : '=';
    text += here > 2 ? kBase64[three & 63] : '=';
  }
  return text;
}

constexpr std::array<std::int8_t, 256> kSixBits = [] {
  std::array<std::int8_t, 256> table{};
  table.fill(-1);
  for (std::size_t i = 0; i < kBase64.size(); ++i) {
    table[static_cast<std::uint8_t>(kBase64[i])] = static_cast<std::int8_t>(i);
  }
  return table;
}();

/// Empty if it is no base64.
Bytes from_base64(std::string_view text) {
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  Bytes bytes;
  bytes.reserve(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    const std::int8_t six = kSixBits[static_cast<std::uint8_t>(c)];
    if (six < 0) return {};
    bits = bits << 6 | static_cast<std::uint32_t>(six);
    held += 6;
    if (held < 8) continue;
    held -= 8;
    bytes.push_back(static_cast<std::uint8_t>(bits >> held));
  }
  return bytes;
}

/// The plain form out of the compressed one; empty if it is none.
Bytes inflated(const Bytes& packed) {
  if (packed.size() < kCompressedHeaderBytes) return {};
  if (take<std::uint32_t>(packed, 0) != kCompressedCookie) return {};
  const std::size_t length = take<std::uint32_t>(packed, 4);
  if (length > packed.size() - kCompressedHeaderBytes) return {};
  static thread_local Bytes room(kMostPlainBytes);
  uLongf found = kMostPlainBytes;
  const int done = uncompress(room.data(), &found, packed.data() + kCompressedHeaderBytes, length);
  if (done != Z_OK || found < kHeaderBytes) return {};
  return {room.begin(), room.begin() + static_cast<std::ptrdiff_t>(found)};
}

struct BinCount {
  std::size_t bin;
  std::uint64_t count;
};

/// False where the counts are no counts of our bins.
bool take_counts(const Bytes& plain, std::vector<BinCount>& out) {
  std::uint64_t bin = 0;
  for (std::size_t at = kHeaderBytes; at < plain.size();) {
    std::int64_t number = 0;
    if (!take_number(plain, at, number)) return false;
    if (number <= 0) {
      // Nothing of a run is ours beyond the last bin; a lone zero is a run of one.
      const std::uint64_t run = number == 0 ? 1 : ~static_cast<std::uint64_t>(number) + 1;
      if (run > Histogram::kBins - bin) return false;
      bin += run;
      continue;
    }
    if (bin == Histogram::kBins) return false;
    out.push_back({bin++, static_cast<std::uint64_t>(number)});
  }
  return true;
}

Error not_ours(std::string what) { return {ErrorKind::usage, std::move(what), ""}; }

}  // namespace

std::string encode_hdr(const Histogram& histogram) {
  const Bytes plain = plain_of(histogram);
  uLongf length = compressBound(plain.size());
  Bytes packed;
  put(packed, kCompressedCookie);
  put(packed, std::uint32_t{0});
  packed.resize(kCompressedHeaderBytes + length);
  // There is room for any outcome, so this fails only where memory does.
  if (compress2(packed.data() + kCompressedHeaderBytes, &length, plain.data(), plain.size(),
                Z_DEFAULT_COMPRESSION) != Z_OK) {
    throw std::bad_alloc();
  }
  packed.resize(kCompressedHeaderBytes + length);
  for (std::size_t i = 0; i < 4; ++i) {
    packed[4 + i] = static_cast<std::uint8_t>(length >> (24 - 8 * i));
  }
  return to_base64(packed);
}

Status decode_hdr(std::string_view text, Histogram& into) {
  const Bytes plain = inflated(from_base64(text));
  if (plain.empty() || take<std::uint32_t>(plain, 0) != kPlainCookie ||
      take<std::uint32_t>(plain, 4) != plain.size() - kHeaderBytes) {
    return not_ours("this is no histogram in HdrHistogram's V2 encoding");
  }
  const bool same_bins =
      take<std::uint32_t>(plain, 8) == 0 && take<std::uint32_t>(plain, 12) == kDigits &&
      take<std::uint64_t>(plain, 16) == 1 && take<std::uint64_t>(plain, 24) <= Histogram::kMaxValue;
  if (!same_bins) {
    return not_ours("this histogram has other bins: expected values from 1 to 2^42 - 1, 3 digits");
  }
  std::vector<BinCount> counts;
  if (!take_counts(plain, counts)) return not_ours("the counts of this histogram are broken");
  if (counts.empty()) return Ok{};
  std::uint64_t sum = 0;
  for (const BinCount& c : counts) {
    into.add_to_bin(c.bin, c.count);
    const std::uint64_t low = Histogram::lowest_of(c.bin);
    sum += c.count * (low + (Histogram::highest_of(c.bin) - low) / 2);
  }
  into.add_figures(Histogram::lowest_of(counts.front().bin),
                   Histogram::highest_of(counts.back().bin), sum, 0);
  return Ok{};
}

}  // namespace millrace::report
