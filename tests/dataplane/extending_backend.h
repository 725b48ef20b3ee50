// SPDX-License-Identifier: BSD-3-Clause
//
// A backend whose second device sends each TCP segment over IPv6 with a destination options header
// (RFC 8200 §4.6): one that holds padding and nothing else.
#pragma once

#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dataplane/backend.h"

namespace millrace::test {

class ExtendingPort final : public Port {
 public:
  explicit ExtendingPort(std::unique_ptr<Port> port) : port_(std::move(port)) {}

  [[nodiscard]] const PortInfo& info() const override { return port_->info(); }
  [[nodiscard]] std::size_t rx_burst(std::span<Frame> f) override { return port_->rx_burst(f); }
  [[nodiscard]] std::size_t tx_burst(std::span<Frame> frames) override {
    for (Frame& f : frames) extend(f);
    return port_->tx_burst(frames);
  }
  [[nodiscard]] std::size_t allocate(std::span<Frame> f) override { return port_->allocate(f); }
  void release(std::span<Frame> frames) override { port_->release(frames); }
  [[nodiscard]] bool link_up() override { return port_->link_up(); }
  [[nodiscard]] PortStats stats() override { return port_->stats(); }

 private:
  /// Into the headroom of the buffer. What was not taken comes again, extended already.
  static void extend(Frame& frame) {
    constexpr std::size_t kLink = 14, kHeaders = kLink + 40, kMore = 8;
    constexpr std::byte kTcp{6}, kDestination{60};
    if (frame.length < kHeaders || frame.data[12] != std::byte{0x86} ||
        frame.data[13] != std::byte{0xdd} || frame.data[kLink + 6] != kTcp) {
      return;
    }
    std::byte* const data = frame.data - kMore;
    std::memmove(data, frame.data, kHeaders);
    frame.data = data;
    frame.length += kMore;
    data[kLink + 6] = kDestination;
    const unsigned payload = (std::to_integer<unsigned>(data[kLink + 4]) << 8 |
                              std::to_integer<unsigned>(data[kLink + 5])) +
                             kMore;
    data[kLink + 4] = static_cast<std::byte>(payload >> 8);
    data[kLink + 5] = static_cast<std::byte>(payload);
    const std::byte padding[kMore] = {kTcp, std::byte{0}, std::byte{1}, std::byte{4}};  // PadN
    std::memcpy(data + kHeaders, padding, kMore);
  }

  std::unique_ptr<Port> port_;
};

class ExtendingBackend final : public Backend {
 public:
  [[nodiscard]] Result<std::vector<Device>> open(const BackendConfig& config) override {
    auto opened = inner_->open(config);
    if (!opened) return opened;
    for (std::unique_ptr<Port>& port : opened.value()[1].ports) {
      port = std::make_unique<ExtendingPort>(std::move(port));
    }
    return opened;
  }
  [[nodiscard]] Result<std::vector<std::string>> plan(const BackendConfig& config) override {
    return inner_->plan(config);
  }
  [[nodiscard]] std::vector<std::string> notes() const override { return inner_->notes(); }
  [[nodiscard]] Status enter_thread() override { return inner_->enter_thread(); }
  void leave_thread() override { inner_->leave_thread(); }

 private:
  std::unique_ptr<Backend> inner_ = make_dpdk_backend();
};

}  // namespace millrace::test
