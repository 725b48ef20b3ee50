// SPDX-License-Identifier: BSD-3-Clause
//
// SEGMENT ARRIVES in SYN-SENT (RFC 9293 §3.10.7.3).
#pragma once

#include "tcp/base/drop.h"
#include "tcp/connection/connection.h"
#include "tcp/connection/context.h"
#include "tcp/wire/segment.h"

namespace millrace::tcp {

Drop input_syn_sent(Connection& c, const SegmentIn& segment, const Context& context,
                    Outcome& outcome);

}  // namespace millrace::tcp
