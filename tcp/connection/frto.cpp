// SPDX-License-Identifier: BSD-3-Clause
//
// RFC 5682 §3.1.
#include "tcp/connection/frto.h"

namespace millrace::tcp {
namespace {

// Two segments of new text can follow (step 2b).
[[nodiscard]] bool new_text_can_go(const Connection& c, const SendState& st) {
  const std::uint32_t flight = bytes_between(c.snd_una, c.snd_nxt);
  return st.queued_bytes > flight && c.snd_wnd > flight;
}

}  // namespace

bool frto_on_ack(const Connection& c, const SendState& st, LossState& ls, Seq ack,
                 const Delivered& delivered) {
  const bool moved = after(ack, c.snd_una);
  switch (ls.frto) {
    case Frto::off:
      return false;
    case Frto::resent:
      // Step 2: a duplicate, or all at once, tells nothing.
      ls.frto =
          moved && before(ack, st.recover) && new_text_can_go(c, st) ? Frto::new_text : Frto::off;
      return false;
    case Frto::new_text:
      // Step 3: what was sent once before the timeout has come, or not.
      ls.frto = Frto::off;
      return delivered.once && before(delivered.once_first, st.recover);
  }
  return false;
}

}  // namespace millrace::tcp
