# SPDX-License-Identifier: BSD-3-Clause
"""Two Millrace processes against each other, with the kernel as their switch or their router."""
import pytest
from millrace import FROM_LOAD, FROM_SERVER, SERVER4, SERVER6, Load, Serve, ready_tap, settle_tap
from wire import Capture, assert_clean, count


def bridge(namespace, *taps):
    namespace.ip("link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
    namespace.ip("link", "set", "br0", "up")
    for tap in taps:
        namespace.ip("link", "set", tap, "master", "br0")


def completed(result):
    end = result["end"]
    assert not end["transactions"]["failed"] and not end["connections"]["failed"], end
    return end["transactions"]["completed"]


@pytest.mark.limit(60)
@pytest.mark.parametrize("host", [SERVER4, f"[{SERVER6}]"], ids=["v4", "v6"])
def test_on_one_switch(lab, host):
    there = lab.namespace("switch")
    server = Serve(there, kernel=())
    bridge(there, "mr0")
    capture = Capture(there, "mr0", max_frames=8_000)
    load = Load(there, f"http://{host}/bytes/1000", "--mode", "cps", "--rate", "500",
                "--requests-per-connection", "4", "--duration", "3s", "--connect-timeout", "9s",
                tap="mr1", number=1)
    settle_tap(there, "mr1", load.process)
    there.ip("link", "set", "mr1", "master", "br0")
    # Late is allowed on a busy machine, lost is not.
    assert 5000 <= completed(load.result(codes=(0, 4))) <= 6000
    assert server.process.running()
    file = capture.stop()
    assert_clean(file, FROM_SERVER, at_least=1000, http=False)
    assert_clean(file, FROM_LOAD, at_least=1000, http=False)


@pytest.mark.limit(60)
@pytest.mark.parametrize("host", [SERVER4, f"[{SERVER6}]"], ids=["v4", "v6"])
@pytest.mark.parametrize("outer", [[], ["--outer-vlan", "9"]], ids=["one tag", "two tags"])
def test_on_one_vlan_of_a_switch(lab, host, outer):
    """Frames with the tags reach each other, and one who sends without them reaches nobody. Hop
    limit and service class are as asked for."""
    there = lab.namespace("switch")
    tags = ["--vlan", "7", *outer]
    Serve(there, *tags, "--ttl", "33", "--dscp", "46", kernel=())
    bridge(there, "mr0")
    capture = Capture(there, "mr0", max_frames=8_000)
    offer = ["--mode", "cps", "--rate", "200", "--duration", "1s", "--connect-timeout", "9s"]
    load = Load(there, f"http://{host}/bytes/1000", *offer, *tags, tap="mr1", number=1)
    settle_tap(there, "mr1", load.process)
    there.ip("link", "set", "mr1", "master", "br0")
    book = load.result(codes=(0, 4))["end"]["connections"]
    # Late is allowed on a busy machine, lost is not.
    assert book["completed"] + sum(book["not_launched"].values()) == book["offered"] == 200
    assert book["completed"] >= 150
    file = capture.stop()
    assert_clean(file, FROM_SERVER, at_least=500, http=False)
    assert_clean(file, FROM_LOAD, at_least=500, http=False)
    assert count(file, f"({FROM_SERVER} || {FROM_LOAD}) && !(vlan.id == 7)") == 0
    if outer:
        assert count(file, f"({FROM_SERVER} || {FROM_LOAD}) && !(ieee8021ad.id == 9)") == 0
    asked = ("ipv6.hlim == 33 && ipv6.tclass.dscp == 46" if ":" in host else
             "ip.ttl == 33 && ip.dsfield.dscp == 46")
    assert count(file, f"{FROM_SERVER} && tcp && !({asked})") == 0
    assert count(file, f"{FROM_LOAD} && tcp && ({asked})") == 0

    untagged = Load(there, f"http://{host}/bytes/1000", "--mode", "cps", "--rate", "10",
                    "--duration", "1s", "--connect-timeout", "1s", tap="mr2", number=1)
    settle_tap(there, "mr2", untagged.process)
    there.ip("link", "set", "mr2", "master", "br0")
    assert untagged.result(codes=(4,))["end"]["transactions"]["completed"] == 0


@pytest.mark.limit(60)
@pytest.mark.parametrize("family", ["v4", "v6"])
def test_through_a_router(lab, family):
    there = lab.namespace("router")
    there.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    server = Serve(there, "--gateway", "198.18.0.1", "--gateway", "2001:2::1")
    capture = Capture(there, "mr0", max_frames=8_000)
    ready_tap(there, "mr1", kernel=("198.18.64.1/24", "2001:2:0:64::1/64"))
    host = SERVER4 if family == "v4" else f"[{SERVER6}]"
    load = Load(there, f"http://{host}/bytes/20000", "--mode", "tps", "--closed", "--connections",
                "8", "--duration", "2s", "--gateway", "198.18.64.1", "--gateway", "2001:2:0:64::1",
                tap="mr1", number=1,
                addresses=("198.18.64.16-198.18.64.19/24", "2001:2:0:64::10/64"))
    assert completed(load.result()) > 100
    assert server.process.running()
    assert_clean(capture.stop(), FROM_SERVER, at_least=1000, http=False)
