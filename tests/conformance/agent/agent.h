// SPDX-License-Identifier: BSD-3-Clause
//
// The application that carries socket calls between tools and Sockets: a Unix socket that is looked
// at between two batches of events, on the worker's own thread, so that nothing needs a lock. Every
// connection of a tool is one caller. When the last one goes, everything it opened is reset.
//
// Refuses: several workers. The table is one core's.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tcp/base/result.h"
#include "tests/conformance/agent/sockets.h"

namespace millrace::agent {

/// A local SOCK_SEQPACKET socket that listens at `path`; what lay there before is removed.
[[nodiscard]] millrace::Result<int> listen_at(const std::string& path);

class Agent final : public tcp::App {
 public:
  /// Takes over `listener`, which listen_at() made.
  Agent(tcp::Endpoint& endpoint, SocketsConfig config, int listener);
  ~Agent() override;
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  void on_events(tcp::Endpoint& endpoint, std::span<const tcp::Event> events, Instant now) override;

 private:
  void take_new_callers();
  void read_calls(Instant now);
  void write_results();
  void drop(Caller caller);
  /// False: the tool is gone.
  [[nodiscard]] bool read_call(Caller caller, int fd, Instant now);

  Sockets sockets_;
  int listener_;
  Caller next_caller_ = 0;
  std::map<Caller, int> callers_;  // their sockets
  std::vector<std::byte> buffer_;
  Instant looked_at_{};
};

}  // namespace millrace::agent
