# SPDX-License-Identifier: BSD-3-Clause
"""The tests' own tools, tried on Linux and nginx: what they say of Millrace can be believed."""
import os

import pytest
from icmp import echo
from lab import Process, run, sweep
from loss import LosingSwitch
from millrace import give_addresses
from nginx import Nginx
from scapy.all import (ARP, IP, TCP, Ether, ICMPv6EchoRequest, IPv6, Raw, sendp, wrpcap)
from wire import Capture, assert_clean, count, judge

OURS = "02:4d:52:00:00:02"
OTHER = "02:4d:52:00:00:01"
SENDER = f"eth.src == {OURS}"


def ethernet(source=OURS):
    return Ether(src=source, dst=OTHER if source == OURS else OURS)


def good_frames():
    four = IP(src="198.18.0.2", dst="198.18.0.1")
    six = IPv6(src="2001:2::2", dst="2001:2::1")
    return [ethernet() / four / TCP(sport=80, dport=4000, flags="SA", options=[("MSS", 1460)]),
            ethernet() / six / TCP(sport=80, dport=4000, flags="PA") / Raw(b"x" * 99),
            ethernet() / ARP(op=2, psrc="198.18.0.2", pdst="198.18.0.1"),
            ethernet() / six / ICMPv6EchoRequest(data=b"ping")]


def spoiled(frame, *path_and_field):
    *path, field, value = path_and_field
    copy = frame.copy()
    layer = copy
    for kind in path:
        layer = layer[kind]
    setattr(layer, field, value)
    return copy


def test_clean_frames_pass(lab):
    file = lab.folder / "good.pcap"
    wrpcap(str(file), good_frames())
    assert assert_clean(file, SENDER) == len(good_frames())


@pytest.mark.parametrize("fault", [
    "ip checksum", "tcp checksum", "tcp over ipv6 checksum", "icmpv6 checksum", "ip length",
    "tcp header length", "tcp option length", "truncated arp"])
def test_a_planted_fault_is_found(lab, fault):
    four, six, arp, icmp6 = good_frames()
    bad = {
        "ip checksum": lambda: spoiled(four, IP, "chksum", 0x1234),
        "tcp checksum": lambda: spoiled(four, TCP, "chksum", 0x1234),
        "tcp over ipv6 checksum": lambda: spoiled(six, TCP, "chksum", 0x1234),
        "icmpv6 checksum": lambda: spoiled(icmp6, ICMPv6EchoRequest, "cksum", 0x1234),
        "ip length": lambda: spoiled(four, IP, "len", 19),
        "tcp header length": lambda: spoiled(four, TCP, "dataofs", 3),
        "tcp option length": lambda: ethernet() / IP(src="198.18.0.2", dst="198.18.0.1") /
        TCP(dataofs=6, flags="S") / Raw(b"\x02\x07\x05\xb4"),
        "truncated arp": lambda: Ether(bytes(arp)[:30]),
    }[fault]()
    file = lab.folder / "bad.pcap"
    wrpcap(str(file), [*good_frames(), Ether(bytes(bad))])
    mine, wrong = judge(file, SENDER)
    assert mine == len(good_frames()) + 1
    assert len(wrong) == 1 and f"frame {mine} " in wrong[0], wrong


def test_faults_of_others_are_not_ours(lab):
    file = lab.folder / "other.pcap"
    theirs = spoiled(ethernet(OTHER) / IP(src="198.18.0.1", dst="198.18.0.2") / TCP(), TCP,
                     "chksum", 0x1234)
    wrpcap(str(file), [*good_frames(), theirs])
    assert assert_clean(file, SENDER) == len(good_frames())


def test_a_capture_without_our_frames_is_no_proof(lab):
    file = lab.folder / "other.pcap"
    wrpcap(str(file), [ethernet(OTHER) / IP() / TCP()])
    with pytest.raises(AssertionError, match="0 frames"):
        assert_clean(file, SENDER)


def two_hosts(lab):
    client, server = lab.namespace("client"), lab.namespace("server")
    lab.cable(client, "c0", server, "s0")
    server.ip("link", "set", "s0", "address", OURS)
    for host, interface, number in ((client, "c0", 1), (server, "s0", 2)):
        host.ip("addr", "add", f"198.18.0.{number}/24", "dev", interface)
        host.ip("addr", "add", f"2001:2::{number}/64", "dev", interface, "nodad")
    return client, server


@pytest.mark.parametrize("host", ["198.18.0.2", "[2001:2::2]"])
def test_a_live_capture_is_whole_and_clean(lab, host):
    client, server = two_hosts(lab)
    nginx = Nginx(server, 80)
    capture = Capture(client, "c0")
    got = client.run("curl", "-sS", f"http://{host}/bytes/100000", "-o", lab.folder / "body")
    assert got.returncode == 0 and (lab.folder / "body").stat().st_size == 100_000
    file = capture.stop()
    assert count(file, f"{SENDER} && tcp.flags.fin == 1") == 1
    assert assert_clean(file, SENDER) >= 100_000 // 1460
    assert nginx.requests() == ["GET /bytes/100000 200"]


def test_the_switch_loses_each_way_what_it_was_told(lab):
    client, middle, server = (lab.namespace(role) for role in ("client", "middle", "server"))
    lab.cable(client, "c0", middle, "m0")
    lab.cable(server, "s0", middle, "mr0")
    give_addresses(client, "c0", "198.18.0.1/24")
    give_addresses(server, "s0", "198.18.0.2/24")
    switch = LosingSwitch(middle, "m0", "mr0")
    answered = [echo(client, "198.18.0.2", sequence=n) for n in range(3)]
    assert None not in answered
    switch.lose(300)
    answered = [echo(client, "198.18.0.2", sequence=n, timeout=0.02) for n in range(200)]
    assert answered.count(None) >= 60
    assert all(20 < lost < 110 for lost in switch.lost()), switch.lost()


def test_a_bad_frame_on_a_live_link_is_found(lab):
    client, server = two_hosts(lab)
    capture = Capture(client, "c0")
    with server.entered():
        sendp(spoiled(good_frames()[0], TCP, "chksum", 0x1234), iface="s0", verbose=False)
    with pytest.raises(AssertionError, match="tcp.checksum"):
        assert_clean(capture.stop(), SENDER)


def test_a_lab_leaves_nothing(lab):
    there = lab.namespace("gone")
    process = there.start("sleep", "60")
    lab.close()
    assert not os.path.exists(f"/run/netns/{there.name}")
    assert not process.running()
    assert not lab.folder.exists()


def test_the_namespace_of_a_dead_test_is_swept(lab):
    there = lab.namespace("stray")
    ended = Process(["true"], lab.folder / "true.log")
    ended.wait()
    stray = there.name.replace(str(os.getpid()), str(ended.pid))
    run("ip", "netns", "add", stray)
    sweep()
    assert not os.path.exists(f"/run/netns/{stray}")
    assert os.path.exists(f"/run/netns/{there.name}")
