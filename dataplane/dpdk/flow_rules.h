// SPDX-License-Identifier: BSD-3-Clause
//
// Flow rules for a device that does not hash but matches (rte_flow): a few bits of the source port
// and as many of the destination port choose the receive queue, by a rule for every pair of values.
// A server's connections then differ in the peer's port, a client's in its own, and it is the XOR
// of both that counts, so that FlowSteering can say the same. Which bits they are is drawn at
// random.
//
// It refuses more than 16 queues: rules go with their square. Bit 0 is never used, since kernels
// like to give even ports to clients. What no rule matches goes to the first queue.
#pragma once

#include <rte_flow.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "dataplane/key_source.h"
#include "tcp/base/flow_steering.h"

namespace millrace::dpdk {

/// One rule as rte_flow takes it. It points into itself: it stays where it is.
class FlowRule {
 public:
  FlowRule(bool v4, std::uint16_t source, std::uint16_t destination, std::uint16_t mask,
           std::uint16_t queue);
  FlowRule(const FlowRule&) = delete;
  FlowRule& operator=(const FlowRule&) = delete;

  [[nodiscard]] const rte_flow_attr& attributes() const { return attributes_; }
  [[nodiscard]] const rte_flow_item* pattern() const { return pattern_.data(); }
  [[nodiscard]] const rte_flow_action* actions() const { return actions_.data(); }
  [[nodiscard]] std::uint16_t queue() const { return queue_.index; }

 private:
  rte_flow_attr attributes_{};
  rte_flow_item_tcp spec_{};
  rte_flow_item_tcp mask_{};
  rte_flow_action_queue queue_{};
  std::array<rte_flow_item, 4> pattern_{};
  std::array<rte_flow_action, 2> actions_{};
};

struct FlowRules {
  static constexpr std::uint16_t kMostQueues = 16;

  std::vector<std::unique_ptr<FlowRule>> rules;
  std::shared_ptr<const FlowSteering> steering;  // what they amount to

  /// Null for more than kMostQueues.
  [[nodiscard]] static std::shared_ptr<const FlowRules> make(std::uint16_t queues, KeySource& keys);

  /// Whether a started device took all of them; else it has none.
  [[nodiscard]] bool install(std::uint16_t port) const;
  /// Whether a configured device knows of rules at all.
  [[nodiscard]] bool thinkable(std::uint16_t port) const;
  /// The queue of a frame, as a device would find it: for the cable.
  [[nodiscard]] std::uint16_t queue_of(const std::uint8_t* frame, std::size_t length) const;
};

}  // namespace millrace::dpdk
