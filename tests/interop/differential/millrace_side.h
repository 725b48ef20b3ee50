// SPDX-License-Identifier: BSD-3-Clause
//
// Millrace as one side: an endpoint on a virtual clock, which delays no ACK (see kernel_side.h).
#pragma once

#include <map>
#include <memory>
#include <optional>

#include "tcp/endpoint/endpoint.h"
#include "tests/interop/differential/side.h"

namespace millrace::differential {

class MillraceSide final : public Side {
 public:
  explicit MillraceSide(tcp::EndpointConfig config);

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
  void iterate();
  [[nodiscard]] tcp::ConnectionId id_of(const FourTuple& tuple) const;

  std::unique_ptr<tcp::Endpoint> endpoint_;
  Instant now_{1000s};
  std::optional<tcp::ListenerId> listener_;
  std::vector<std::pair<FourTuple, tcp::ConnectionId>> connections_;
  std::vector<std::vector<std::byte>> arrived_;
  std::vector<Packet> sent_;
  bool reading_ = true;
};

}  // namespace millrace::differential
