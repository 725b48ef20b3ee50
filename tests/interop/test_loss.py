# SPDX-License-Identifier: BSD-3-Clause
"""64 MiB through a network that loses 2 % of the frames each way, in the middle of the path:

    curl  c0 -- m0  bridge, losing  mr0  `millrace serve`

Neither sender knows: the frames left it whole, one by one (segmentation offload is off).
"""
import os
import subprocess
import threading

import pytest
from http1 import Reader, get
from loss import LosingSwitch
from millrace import FROM_SERVER, KERNEL4, KERNEL6, SERVER4, SERVER6, Serve, connect, give_addresses
from pattern import matches, pattern
from wire import Capture, assert_clean, count

LENGTH = 64 << 20
# At this loss a quarter of the losses come when too few segments are under way for three
# duplicates, and wait for a timeout: of 200 ms at least by default, which makes a minute in all.
QUICK = ("--min-rto", "20ms")


class Path:
    """The server in the middle namespace, the client in its own, a losing bridge between."""

    def __init__(self, lab, per_mille, *extra):
        self.client, self.middle = lab.namespace("client"), lab.namespace("middle")
        lab.cable(self.client, "c0", self.middle, "m0")
        give_addresses(self.client, "c0", KERNEL4 + "/24", KERNEL6 + "/64")
        self.server = Serve(self.middle, *extra, kernel=())
        self.switch = LosingSwitch(self.middle, "m0", "mr0")
        for address in (SERVER4, SERVER6):
            self.server.wait_ready(self.client, address)
        self.switch.lose(per_mille)
        self.capture = Capture(self.middle, "mr0", max_frames=8_000)

    def check(self, at_least_lost):
        lost = self.switch.lost()
        assert min(lost) >= at_least_lost, lost
        assert self.server.process.running(), str(self.server.process)
        file = self.capture.stop()
        assert_clean(file, FROM_SERVER, at_least=1000, http=False)
        return file


def fetch(path, host, length, seconds=90):
    """curl's copy of /bytes/N is compared as it comes."""
    with subprocess.Popen(path.client.command("curl", "-sS", "-m", str(seconds), "--no-buffer",
                                              f"http://{host}/bytes/{length}"),
                          stdout=subprocess.PIPE) as curl:
        done = 0
        while piece := curl.stdout.read(1 << 18):
            assert matches(piece, done), f"a byte is wrong after {done}"
            done += len(piece)
        assert curl.wait() == 0
    assert done == length


@pytest.mark.limit(100)
@pytest.mark.parametrize("host", [SERVER4, f"[{SERVER6}]"], ids=["v4", "v6"])
def test_64_mib_from_millrace(lab, host):
    path = Path(lab, 20, *QUICK)
    fetch(path, host, LENGTH)
    # 46,000 segments go one way and acknowledgements the other.
    file = path.check(at_least_lost=50)
    assert count(file, f"{FROM_SERVER} && tcp.analysis.retransmission") > 10


@pytest.mark.limit(330)
@pytest.mark.skipif(os.environ.get("MILLRACE_LONG") != "true",
                    reason="a gibibyte takes a minute: deploy/test.sh --all")
def test_1_gib_from_millrace(lab):
    path = Path(lab, 20, *QUICK)
    fetch(path, f"[{SERVER6}]", 1 << 30, seconds=300)
    path.check(at_least_lost=800)


@pytest.mark.limit(60)
def test_8_mib_with_the_timeouts_of_every_day(lab):
    path = Path(lab, 20)
    fetch(path, SERVER4, LENGTH // 8)
    path.check(at_least_lost=5)


@pytest.mark.limit(100)
def test_64_mib_to_millrace_and_back(lab):
    """What is posted comes back: data and their acknowledgements are lost both ways at once."""
    path = Path(lab, 20, *QUICK)
    with connect(path.client, SERVER4, timeout=60) as one:
        head = get("/echo", method="POST", headers=[f"Content-Length: {LENGTH}"])

        def send():
            one.sendall(head)
            for offset in range(0, LENGTH, 1 << 16):
                one.sendall(pattern(offset, 1 << 16))
        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        reader = Reader(one)
        status, headers = reader.head()
        assert (status, headers["content-length"]) == (200, str(LENGTH))
        reader.pattern(LENGTH)
        sender.join(5)
    path.check(at_least_lost=200)
