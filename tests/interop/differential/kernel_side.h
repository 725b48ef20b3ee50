// SPDX-License-Identifier: BSD-3-Clause
//
// The kernel as one side: a network namespace of the calling thread's own with a tun device in it,
// and sockets. Time is real. The thread stays in the namespace; each new side moves it to a fresh
// one, so that no side sees what another left in TIME-WAIT.
//
// What is set so that both sides can be compared: no metrics of earlier connections, no
// tail loss probes (they come by the clock), and ACKs that are not delayed: Linux acknowledges the
// first segments of a connection at once, and delays the ACK of a FIN (RFC 9293 §3.8.6.3 allows
// both).
#pragma once

#include <map>

#include "tcp/connection/config.h"
#include "tests/interop/differential/side.h"

namespace millrace::differential {

/// Whether this process may make namespaces and tun devices; if not, why.
[[nodiscard]] std::string why_no_kernel_side();

class KernelSide final : public Side {
 public:
  /// Throws std::system_error.
  KernelSide(const tcp::TcpConfig& config, bool ipv6);
  ~KernelSide() override;
  KernelSide(const KernelSide&) = delete;
  KernelSide& operator=(const KernelSide&) = delete;

  void listen(std::uint16_t port, std::uint32_t backlog) override;
  void unlisten() override;
  void connect(const FourTuple& tuple, std::span<const std::byte> text) override;
  void inject(const Packet& packet) override;
  void send(const FourTuple& tuple, std::span<const std::byte> bytes) override;
  void read(const FourTuple& tuple, std::size_t bytes) override;
  void shutdown(const FourTuple& tuple) override;
  void close(const FourTuple& tuple) override;
  void abort(const FourTuple& tuple) override;
  void nodelay(const FourTuple& tuple, bool on) override;
  void reading(bool on) override;
  void pass(Duration time) override;
  std::vector<Packet> take() override;

 private:
  struct Connection {
    FourTuple tuple;
    int fd = -1;
    std::vector<std::byte> unsent{};
  };
  [[nodiscard]] Connection* find(const FourTuple& tuple);
  [[nodiscard]] int make_socket() const;
  void prepare(int fd) const;
  void accept_all();
  /// Until `until`, and until nothing moves any more.
  void pump(Instant until);
  [[nodiscard]] bool read_device();
  void work_sockets();

  bool ipv6_;
  bool nagle_;
  int fast_open_backlog_ = 0;  // 0: off
  std::string congestion_;
  int device_ = -1;
  int listener_ = -1;
  bool reading_ = true;
  std::vector<Connection> connections_;
  std::vector<Packet> sent_;
};

}  // namespace millrace::differential
