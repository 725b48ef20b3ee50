// SPDX-License-Identifier: BSD-3-Clause
//
// Listeners by port and address. Adding and removing are calls of the application and may take
// their time; finding is on the packet path.
#include "tcp/endpoint/listeners.h"

#include "tcp/base/check.h"

namespace millrace::tcp {

Listeners::Listeners()
    : pages_(std::size_t{65'536} * sizeof(std::uint16_t)),
      first_of_(reinterpret_cast<std::uint16_t*>(pages_.data())) {
  listeners_.reserve(kMaxListeners);  // calls of the application must not allocate later
}

std::uint16_t Listeners::add(const Address& local, std::uint16_t port, std::uint32_t backlog,
                             std::uint8_t profile) {
  std::size_t index = 0;
  while (index < listeners_.size() && listeners_[index].open) ++index;
  if (index == kMaxListeners) return kNoListener;
  if (index == listeners_.size()) listeners_.emplace_back();
  listeners_[index] = Listener{.local = local,
                               .port = port,
                               .next = first_of_[port],
                               .profile = profile,
                               .open = true,
                               .backlog = backlog};
  first_of_[port] = static_cast<std::uint16_t>(index + 1);
  ++open_;
  return static_cast<std::uint16_t>(index);
}

void Listeners::remove(std::uint16_t index) {
  MR_CHECK(is_open(index));
  Listener& gone = listeners_[index];
  std::uint16_t* link = &first_of_[gone.port];
  while (*link != index + 1) link = &listeners_[*link - 1U].next;
  *link = gone.next;
  gone.open = false;
  --open_;
}

std::uint16_t Listeners::find_exact(const Address& local, std::uint16_t port) const {
  const bool wildcard = local.is_unspecified();
  for (std::uint16_t at = first_of_[port]; at != 0; at = listeners_[at - 1U].next) {
    const Address& candidate = listeners_[at - 1U].local;
    if (wildcard ? candidate.is_unspecified() : candidate == local) {
      return static_cast<std::uint16_t>(at - 1);
    }
  }
  return kNoListener;
}

std::uint16_t Listeners::find_in_chain(std::uint16_t first, const Address& local) const {
  std::uint16_t any = kNoListener;
  for (std::uint16_t at = first; at != 0; at = listeners_[at - 1U].next) {
    const Listener& candidate = listeners_[at - 1U];
    if (candidate.local == local) return static_cast<std::uint16_t>(at - 1);
    if (candidate.local.is_unspecified()) any = static_cast<std::uint16_t>(at - 1);
  }
  return any;
}

}  // namespace millrace::tcp
