// SPDX-License-Identifier: BSD-3-Clause
//
// SEGMENT ARRIVES (RFC 9293 §3.10.7): one lookup says whose a segment is.
#pragma once

#include <cstdint>

#include "tcp/base/drop.h"
#include "tcp/endpoint/impl.h"

namespace millrace::tcp {

/// The entry of a tuple of either family, or none.
[[nodiscard]] EntryRef find_entry(const EndpointImpl& e, std::uint64_t hash,
                                  const FourTuple& tuple);

/// A segment for a connection that has an object and is not over.
Drop on_connection_segment(EndpointImpl& e, std::uint32_t index, Connection& c,
                           const SegmentIn& segment);

}  // namespace millrace::tcp
