// SPDX-License-Identifier: BSD-3-Clause
//
// Counters under their Linux names (`nstat`, /proc/net/snmp and /proc/net/netstat), used only where
// the meaning is the same. One writer: the core that owns them. Kept in `tcp/base` so that a
// connection can count without knowing its endpoint.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace millrace::tcp {

// X(name)
// clang-format off
#define MR_TCP_COUNTERS(X)                                                                        \
  /* Tcp */                                                                                       \
  X(ActiveOpens) X(PassiveOpens) X(AttemptFails) X(EstabResets) X(InSegs) X(OutSegs)              \
  X(RetransSegs) X(InErrs) X(OutRsts) X(InCsumErrors)                                             \
  /* TcpExt */                                                                                    \
  X(TW) X(TWRecycled) X(TWKilled) X(TCPTimeWaitOverflow) X(PAWSActive) X(PAWSEstab)               \
  X(PAWSTimewait) X(TSEcrRejected) X(ListenOverflows) X(ListenDrops) X(EmbryonicRsts)             \
  X(SyncookiesSent) X(SyncookiesRecv) X(SyncookiesFailed) X(DelayedACKs) X(DelayedACKLost)        \
  X(TCPTimeouts) X(TCPSynRetrans) X(TCPFastRetrans) X(TCPSlowStartRetrans) X(TCPLostRetransmit)   \
  X(TCPLossProbes) X(TCPSpuriousRTOs) X(TCPDSACKRecv) X(TCPOFOQueue) X(TCPOFODrop)                \
  X(TCPSackRecovery) X(TCPSackRecoveryFail) X(TCPSACKReneging) X(TCPSACKReorder)                  \
  X(TCPSACKDiscard) X(TCPLossProbeRecovery) X(TCPFullUndo) X(TCPLossUndo) X(TCPDSACKUndo)         \
  X(TCPMTUBlackHole)                                                                              \
  X(TCPChallengeACK) X(TCPSYNChallenge) X(TCPACKSkippedTimeWait) X(TCPACKSkippedFinWait2)         \
  X(TCPAbortOnData) X(TCPAbortOnClose) X(TCPAbortOnMemory) X(TCPAbortOnTimeout)                   \
  X(TCPAbortOnLinger) X(TCPKeepAlive) X(TCPWinProbe) X(TCPFromZeroWindowAdv)                      \
  X(TCPToZeroWindowAdv) X(TCPDelivered) X(TCPOrigDataSent)                                        \
  X(TCPFastOpenActive) X(TCPFastOpenActiveFail) X(TCPFastOpenPassive) X(TCPFastOpenPassiveFail)   \
  X(TCPFastOpenPassiveAltKey) X(TCPFastOpenListenOverflow) X(TCPFastOpenCookieReqd)               \
  /* of our own: connections that entered TIME-WAIT, that ended without because 2MSL is 0, and    \
     2MSLs begun anew by a retransmitted FIN; text that came marked as congested, and windows     \
     that we reduced because the peer told of marks; paths that Fast Open failed on so often that  \
     it is not tried for a time; connections that asked for BBR and got CUBIC because there was   \
     no memory for a model; while memory is short, receive buffers that became as small as they    \
     began, that did not grow, and writes cut short for it */                                     \
  X(TimeWaitEntered) X(TimeWaitSkipped) X(TimeWaitRestarted) X(ECNMarksReceived) X(ECNReductions) \
  X(FastOpenPathsRested) X(BBRFallbacks) X(TCPRcvBufferCut) X(TCPRcvBufferHeld)                   \
  X(TCPSndBufferHeld)                                                                             \
  /* and the memory of all running short: how often that began, connections that lost what was     \
     out of order (under Linux's name), those that were ended: because the peer took nothing,      \
     because the application read nothing, and such as had no owner; and connections refused */    \
  X(TCPMemoryPressures) X(OfoPruned) X(TCPEvictedStalled) X(TCPEvictedUnread) X(TCPEvictedOrphan) \
  X(TCPMemoryRefused)
// clang-format on

struct Counters {
#define MR_COUNTER_FIELD(name) std::uint64_t name = 0;
  MR_TCP_COUNTERS(MR_COUNTER_FIELD)
#undef MR_COUNTER_FIELD
};

inline constexpr std::array kCounterNames{
#define MR_COUNTER_NAME(name) std::string_view{#name},
    MR_TCP_COUNTERS(MR_COUNTER_NAME)
#undef MR_COUNTER_NAME
};
static_assert(sizeof(Counters) == kCounterNames.size() * sizeof(std::uint64_t));

}  // namespace millrace::tcp
