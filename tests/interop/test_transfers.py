# SPDX-License-Identifier: BSD-3-Clause
"""Bad paths: what one connection of Millrace carries is at least 0.8 of what the kernel carries
over the same path. Medians and other paths: bench/impaired.py. Part of `deploy/test.sh --all`."""
import os
import pathlib

import pytest
from impaired import OTHER4, OTHER6
from transfers import PATHS, turn

SECONDS = 3
TURNS = 4
LEAST = 0.8
KERNEL_HAS = pathlib.Path("/proc/sys/net/ipv4/tcp_available_congestion_control")

pytestmark = pytest.mark.skipif(os.environ.get("MILLRACE_LONG") != "true",
                                reason="two minutes of transfers: deploy/test.sh --all")


# Of Linux this is version 1 of BBR, which does not look at loss. Version 3 takes 2 % for congestion
# unless told otherwise: where more is lost at random, it is told.
CASES = [(congestion, path, percent, address)
         for congestion, path, percent, address in (
             ("cubic", "loss 1 %", 2, OTHER6), ("cubic", "loss 5 %", 2, OTHER4),
             ("cubic", "reordering", 2, OTHER6), ("bbr", "loss 1 %", 2, OTHER4),
             ("bbr", "loss 5 %", 10, OTHER6), ("bbr", "reordering", 2, OTHER4))]


@pytest.mark.limit(150)
@pytest.mark.parametrize("kind", ["serve", "load"])
@pytest.mark.parametrize("congestion, path, percent, address", CASES,
                         ids=[f"{case[0]}-{case[1]}" for case in CASES])
def test_at_least_eight_tenths_of_linux(kind, congestion, path, percent, address):
    # What chance takes from one turn it may give to the next: the sums count, after each turn.
    kernel, ours = 0, 0
    busy = os.getloadavg()[0] / len(os.sched_getaffinity(0))
    if busy > 2:
        pytest.skip(f"{busy:.1f} processes want each core: rates would say nothing")
    if congestion not in KERNEL_HAS.read_text().split():
        pytest.skip(f"this kernel has no {congestion}: modprobe tcp_{congestion}")
    for seed in range(1, TURNS + 1):
        kernel += turn("linux", PATHS[path], seed, congestion, address, SECONDS, percent)
        ours += turn(kind, PATHS[path], seed, congestion, address, SECONDS, percent)
        if ours >= LEAST * kernel:
            return
    pytest.fail(f"{ours / TURNS:.2f} Mbit/s where the kernel has {kernel / TURNS:.2f}")
