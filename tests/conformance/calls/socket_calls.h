// SPDX-License-Identifier: BSD-3-Clause
//
// What an outside tool and an agent say to each other: fourteen socket calls, each a request record
// and a reply record over a local SOCK_SEQPACKET socket, in the byte order of the machine. A
// connection carries one call at a time, so each thread of a tool has a connection of its own.
// Descriptors are numbers that mean something to the agent alone.
//
//   call         fd   a        b       c        data             reply: value, data
//   socket            domain   type    protocol                  descriptor
//   bind         fd                             address          0
//   listen       fd   backlog                                    0
//   accept       fd                                              descriptor, the peer's address
//   connect      fd                             address          0
//   recv         fd   length   flags                             bytes, what was read
//   send         fd            flags            what to send     bytes
//   close        fd                                              0
//   shutdown     fd   how                                        0
//   getsockopt   fd   level    name    length                    0, the value
//   setsockopt   fd   level    name             value            0
//   fcntl        fd   command  argument                          of F_GETFL and F_SETFL
//   ioctl        fd   request                                    0, an int: SIOCINQ, SIOCOUTQ
//   poll              timeout ms                pollfd[]         count, pollfd[]
#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace::agent {

enum class Call : std::uint32_t {
  socket = 1,
  bind,
  listen,
  accept,
  connect,
  recv,
  send,
  close,
  shutdown,
  getsockopt,
  setsockopt,
  fcntl,
  ioctl,
  poll,
};

struct RequestHeader {
  Call call{};
  std::int32_t fd = -1;
  std::int32_t a = 0, b = 0, c = 0;
  std::uint32_t data_bytes = 0;  // they follow
};
static_assert(sizeof(RequestHeader) == 24);

struct ReplyHeader {
  std::int64_t value = 0;
  std::int32_t error = 0;        // errno where value is -1
  std::uint32_t data_bytes = 0;  // they follow
};
static_assert(sizeof(ReplyHeader) == 16);

inline constexpr std::size_t kMaxDataBytes = 192 * 1024;

}  // namespace millrace::agent
