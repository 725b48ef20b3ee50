// SPDX-License-Identifier: BSD-3-Clause
//
// Heads seen before. Parsing is a pure function of a head's bytes, and a head ends where its bytes
// say (its empty line), so input that begins with the bytes of a known head is that request: one
// compare in place of a scan, a check and a parse. Clients send the same head over and over.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

#include "apps/http_server/plan.h"
#include "apps/http_server/response.h"

namespace millrace::http {

struct KnownHead {
  static constexpr std::size_t kMostBytes = 256;

  Plan plan;
  Bytes answer;  // whole and fixed; empty: to be made from the plan
  std::uint32_t length = 0;
  std::array<std::byte, kMostBytes> head;
};

class HeadMemo {
 public:
  HeadMemo() : slots_(std::make_unique<std::array<KnownHead, kSlots>>()) {}

  /// The known head that `input` begins with.
  [[nodiscard]] const KnownHead* find(Bytes input) const {
    if (input.size() < kKeyBytes) return nullptr;
    const KnownHead& known = (*slots_)[slot_of(input.data())];
    if (known.length == 0 || known.length > input.size()) return nullptr;
    return std::memcmp(known.head.data(), input.data(), known.length) == 0 ? &known : nullptr;
  }

  /// Remembers a whole head and what it led to, in place of another of the same slot.
  void learn(Bytes head, const Plan& plan, Bytes answer) {
    if (head.size() < kKeyBytes || head.size() > KnownHead::kMostBytes) return;
    KnownHead& known = (*slots_)[slot_of(head.data())];
    known.plan = plan;
    known.answer = answer;
    known.length = static_cast<std::uint32_t>(head.size());
    std::memcpy(known.head.data(), head.data(), head.size());
  }

 private:
  static constexpr std::size_t kSlots = 256;
  static constexpr std::size_t kKeyBytes = 32;

  // Which slot is a matter of speed alone, so a plain mix will do: the worst that a client can make
  // of it is that its own heads are parsed each time.
  static std::size_t slot_of(const std::byte* head) {
    std::uint64_t w[4];
    static_assert(sizeof w == kKeyBytes);
    std::memcpy(w, head, sizeof w);
    const std::uint64_t mixed = (w[0] ^ (w[1] << 7) ^ (w[2] << 13) ^ (w[3] << 29)) * kMix ^
                                (w[1] + w[2] * 3 + w[3] * 5) * (kMix >> 3);
    return static_cast<std::size_t>(mixed >> 56);
  }
  static constexpr std::uint64_t kMix = 0x9E3779B97F4A7C15;

  std::unique_ptr<std::array<KnownHead, kSlots>> slots_;
};

}  // namespace millrace::http
