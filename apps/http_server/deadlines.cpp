// SPDX-License-Identifier: BSD-3-Clause
//
// A binary heap whose elements know where they are.
#include "apps/http_server/deadlines.h"

namespace millrace::http {

void Deadlines::set(std::uint32_t exchange, Instant when) {
  const std::uint32_t place = exchanges_[exchange].deadline;
  if (place != kNil) return replace(place, {when, exchange});
  heap_.push_back({});
  sift_up(heap_.size() - 1, {when, exchange});
}

void Deadlines::clear(std::uint32_t exchange) {
  const std::uint32_t place = exchanges_[exchange].deadline;
  if (place == kNil) return;
  exchanges_[exchange].deadline = kNil;
  const Entry last = heap_.back();
  heap_.pop_back();
  if (place < heap_.size()) replace(place, last);
}

std::uint32_t Deadlines::pop_due(Instant now) {
  if (heap_.empty() || heap_.front().when > now) return kNil;
  const std::uint32_t exchange = heap_.front().exchange;
  clear(exchange);
  return exchange;
}

void Deadlines::replace(std::size_t place, const Entry& entry) {
  if (place > 0 && entry.when < heap_[(place - 1) / 2].when) {
    sift_up(place, entry);
  } else {
    sift_down(place, entry);
  }
}

void Deadlines::sift_up(std::size_t place, Entry entry) {
  while (place > 0 && entry.when < heap_[(place - 1) / 2].when) {
    put(place, heap_[(place - 1) / 2]);
    place = (place - 1) / 2;
  }
  put(place, entry);
}

void Deadlines::sift_down(std::size_t place, Entry entry) {
  for (std::size_t child = 2 * place + 1; child < heap_.size(); child = 2 * place + 1) {
    if (child + 1 < heap_.size() && heap_[child + 1].when < heap_[child].when) ++child;
    if (!(heap_[child].when < entry.when)) break;
    put(place, heap_[child]);
    place = child;
  }
  put(place, entry);
}

}  // namespace millrace::http
