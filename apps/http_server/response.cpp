// SPDX-License-Identifier: BSD-3-Clause
//
// A small writer for heads, the chunked framing as a function of the offset, and the arena of whole
// answers.
#include "apps/http_server/response.h"

#include <http_parser.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "tcp/base/check.h"

namespace millrace::http {
namespace {

constexpr std::string_view kPage =
    "Millrace: an HTTP/1.1 test server on a TCP of its own, on DPDK.\n"
    "\n"
    "  GET  /bytes/N      N bytes, byte i is i mod 251; N up to 10737418240\n"
    "  GET  /chunked/N    the same, chunked\n"
    "  GET  /status/CODE  an answer of that status, 200 to 599\n"
    "  GET  /delay/MS     an answer after that many milliseconds, up to 60000\n"
    "  POST /echo         the body back, as it comes\n"
    "\n"
    "HEAD works wherever GET does.\n";

class Writer {
 public:
  explicit Writer(std::span<char> space) : space_(space) {}

  Writer& operator<<(std::string_view text) {
    if (text.empty()) return *this;
    MR_CHECK(used_ + text.size() <= space_.size());
    std::memcpy(space_.data() + used_, text.data(), text.size());
    used_ += text.size();
    return *this;
  }
  Writer& operator<<(std::uint64_t number) {
    std::array<char, 20> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    return *this << std::string_view(digits.data(), end);
  }
  [[nodiscard]] Bytes written() const { return std::as_bytes(space_.first(used_)); }

 private:
  std::span<char> space_;
  std::size_t used_ = 0;
};

std::string_view reason(std::uint16_t status) {
  const std::string_view text = http_status_str(static_cast<http_status>(status));
  return text == "<unknown>" ? "Test Status" : text;
}

// RFC 9110 §6.4.1, §15.3.5, §15.3.6, §15.4.5: statuses whose answer has no body.
bool has_no_body(std::uint16_t status) { return status == 204 || status == 205 || status == 304; }

// RFC 9110 §8.6: no Content-Length with 204.
bool has_no_length(std::uint16_t status) { return status == 204 || status == 304; }

void write_allow(Writer& w, const Plan& plan) {
  if (plan.status != 405) return;
  w << (plan.allow_post ? "Allow: POST\r\n" : "Allow: GET, HEAD\r\n");
}

void write_connection(Writer& w, const Plan& plan) {
  if (plan.close) {
    w << "Connection: close\r\n";
  } else if (plan.http_1_0) {
    w << "Connection: keep-alive\r\n";
  }
}

// "CODE Reason" and, for errors, where to look.
void write_status_text(Writer& w, const Plan& plan) {
  w << std::uint64_t{plan.status} << " " << reason(plan.status) << "\n";
}

void write_text_answer(Writer& w, const Plan& plan) {
  std::array<char, 96> space{};
  Writer status_text(space);
  write_status_text(status_text, plan);
  std::string_view text = plan.kind == Kind::page ? kPage : view_of(status_text.written());
  if (has_no_body(plan.status)) text = {};
  if (!has_no_length(plan.status)) {
    w << "Content-Type: text/plain\r\nContent-Length: " << std::uint64_t{text.size()} << "\r\n";
  }
  write_allow(w, plan);
  write_connection(w, plan);
  w << "\r\n";
  if (!plan.head_only) w << text;
}

// ---- chunks: all but the last have this many bytes
constexpr std::uint64_t kChunkBytes = 16 * 1024;
constexpr std::string_view kChunkHead = "4000\r\n";
constexpr std::string_view kChunkEnd = "\r\n";
constexpr std::string_view kLastChunk = "0\r\n\r\n";

BodyPiece fixed_text(std::string_view text, std::uint64_t from) {
  return {bytes_of(text.substr(static_cast<std::size_t>(from))), true};
}

// Offset `at` within a chunk of `size` bytes that starts at `start` of the pattern.
BodyPiece chunk_piece(std::string_view head, std::uint64_t start, std::uint64_t size,
                      std::uint64_t at, const Pattern& pattern, bool fixed_head) {
  if (at < head.size()) {
    BodyPiece piece = fixed_text(head, at);
    piece.fixed = fixed_head;
    return piece;
  }
  at -= head.size();
  if (at < size) return {pattern.piece(start + at, start + size), true};
  return fixed_text(kChunkEnd, at - size);
}

BodyPiece chunked_piece(std::uint64_t total, std::uint64_t sent, const Pattern& pattern,
                        std::array<char, 16>& scratch) {
  constexpr std::uint64_t kWhole = kChunkHead.size() + kChunkBytes + kChunkEnd.size();
  const std::uint64_t chunk = sent / kWhole;
  const std::uint64_t whole_chunks = total / kChunkBytes;
  if (chunk < whole_chunks) {
    return chunk_piece(kChunkHead, chunk * kChunkBytes, kChunkBytes, sent % kWhole, pattern, true);
  }
  std::uint64_t at = sent - whole_chunks * kWhole;
  const std::uint64_t rest = total % kChunkBytes;
  if (rest != 0) {
    char* end = std::to_chars(scratch.data(), scratch.data() + 8, rest, 16).ptr;
    *end++ = '\r';
    *end++ = '\n';
    const std::string_view head(scratch.data(), end);
    const std::uint64_t bytes = head.size() + rest + kChunkEnd.size();
    if (at < bytes) return chunk_piece(head, total - rest, rest, at, pattern, false);
    at -= bytes;
  }
  return fixed_text(kLastChunk, std::min<std::uint64_t>(at, kLastChunk.size()));
}

std::size_t slot_of(const Plan& plan) {
  const std::uint64_t mixed =
      (plan.number * 2 + plan.status * 1024 + static_cast<std::uint64_t>(plan.kind) * 16 +
       (plan.close ? 4 : 0) + (plan.http_1_0 ? 2 : 0) + (plan.head_only ? 1 : 0)) *
      0x9E3779B97F4A7C15;
  return static_cast<std::size_t>(mixed >> 56);
}

}  // namespace

Bytes write_head(const Plan& plan, std::span<char, kMostHeadBytes> space) {
  Writer w(space);
  w << "HTTP/1.1 " << std::uint64_t{plan.status} << " " << reason(plan.status) << "\r\n";
  switch (plan.kind) {
    case Kind::page:
    case Kind::status:
    case Kind::delay:
      write_text_answer(w, plan);
      return w.written();
    case Kind::pattern:
      w << "Content-Type: application/octet-stream\r\nContent-Length: " << plan.number << "\r\n";
      break;
    case Kind::chunked:
      w << "Content-Type: application/octet-stream\r\n";
      if (!plan.http_1_0) w << "Transfer-Encoding: chunked\r\n";
      break;
    case Kind::echo:
      w << "Content-Type: application/octet-stream\r\n";
      if (plan.chunked_body) {
        w << "Transfer-Encoding: chunked\r\n";
      } else {
        w << "Content-Length: " << plan.number << "\r\n";
      }
      break;
  }
  write_connection(w, plan);
  w << "\r\n";
  return w.written();
}

BodyPiece body_piece(const Plan& plan, std::uint64_t sent, const Pattern& pattern,
                     std::array<char, 16>& scratch) {
  if (plan.head_only) return {};
  if (plan.kind == Kind::chunked && !plan.http_1_0) {
    return chunked_piece(plan.number, sent, pattern, scratch);
  }
  if (plan.kind == Kind::pattern || plan.kind == Kind::chunked) {
    return {pattern.piece(sent, plan.number), true};
  }
  return {};
}

PreparedAnswers::PreparedAnswers()
    : slots_(std::make_unique<std::array<Slot, kSlots>>()),
      arena_(std::make_unique<std::byte[]>(kArenaBytes)) {}

Bytes PreparedAnswers::find(const Plan& plan, const Pattern& pattern) {
  if (plan.kind == Kind::echo || plan.kind == Kind::delay || plan.linger) return {};
  if (plan.number > kLongest) return {};
  std::size_t slot = slot_of(plan) % kSlots;
  while (!(*slots_)[slot].bytes.empty()) {
    if ((*slots_)[slot].plan == plan) return (*slots_)[slot].bytes;
    slot = (slot + 1) % kSlots;
  }
  // Half full is full: probes stay short, and an answer that is not kept is still given.
  if (slots_used_ >= kSlots / 2) return {};
  const std::size_t start = arena_used_;
  const auto keep = [&](Bytes bytes) {
    if (kArenaBytes - arena_used_ < bytes.size()) return false;
    std::memcpy(arena_.get() + arena_used_, bytes.data(), bytes.size());
    arena_used_ += bytes.size();
    return true;
  };
  std::array<char, kMostHeadBytes> head{};
  bool whole = keep(write_head(plan, head));
  std::array<char, 16> scratch{};
  for (std::uint64_t sent = 0; whole;) {
    const BodyPiece piece = body_piece(plan, sent, pattern, scratch);
    if (piece.bytes.empty()) break;
    whole = keep(piece.bytes);
    sent += piece.bytes.size();
  }
  if (!whole) {
    arena_used_ = start;
    return {};
  }
  ++slots_used_;
  (*slots_)[slot] = {plan, {arena_.get() + start, arena_used_ - start}};
  return (*slots_)[slot].bytes;
}

}  // namespace millrace::http
