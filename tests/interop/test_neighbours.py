# SPDX-License-Identifier: BSD-3-Clause
"""Below TCP: echo, ARP and NDP from cold caches, and the first minutes of a new user."""
import time

import pytest
from http1 import Reader, get
from icmp import echo
from lab import wait_for
from millrace import (FROM_SERVER, KERNEL4, KERNEL6, SERVER4, SERVER6, SERVER_MAC, Serve, binary,
                      connect, give_addresses)
from wire import Capture, assert_clean, count

BOTH = pytest.mark.parametrize("address", [SERVER4, SERVER6], ids=["v4", "v6"])
FETCH = ["curl", "-sS", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}"]


def neighbour(serve, address):
    return serve.namespace.ip("neigh", "show", address, "dev", serve.tap).stdout.lower()


def url(address, path="/"):
    return f"http://[{address}]{path}" if ":" in address else f"http://{address}{path}"


@BOTH
@pytest.mark.parametrize("length", [0, 1, 56, 1400, 1472 - 20])
def test_echo_is_answered_with_the_same_bytes(serve, address, length):
    payload = bytes(i % 256 for i in range(length))
    assert echo(serve.namespace, address, payload) == payload


@BOTH
def test_the_kernel_finds_millrace_from_a_cold_cache(serve, address):
    for _ in range(3):
        serve.namespace.ip("neigh", "flush", "all")
        assert neighbour(serve, address) in ("", neighbour(serve, address))
        assert serve.namespace.run(*FETCH, url(address)).stdout == "200"
        assert SERVER_MAC in neighbour(serve, address)


@BOTH
def test_an_open_connection_outlives_a_flush(serve, address):
    with connect(serve.namespace, address) as one:
        reader = Reader(one)
        for _ in range(3):
            one.sendall(get("/bytes/1000"))
            assert len(reader.response()[2]) == 1000
            serve.namespace.ip("neigh", "flush", "all")


@BOTH
def test_the_kernels_check_of_reachability_is_confirmed(serve, address):
    serve.namespace.run(*FETCH, url(address))
    serve.namespace.ip("neigh", "change", address, "lladdr", SERVER_MAC, "dev", serve.tap, "nud",
                       "probe")
    wait_for("the probe to be answered", lambda: "reachable" in neighbour(serve, address), 5)


def test_an_address_that_is_not_ours_is_not_answered(serve):
    assert echo(serve.namespace, "198.18.0.77", timeout=0.5) is None
    assert echo(serve.namespace, "2001:2::77", timeout=0.5) is None


def test_millrace_finds_the_kernel_from_a_cold_cache(lab):
    """The first thing that comes is a SYN from a neighbour that is not known yet."""
    server = Serve(lab.namespace("serve"), kernel=())
    capture = Capture(server.namespace, server.tap)
    give_addresses(server.namespace, server.tap, KERNEL4 + "/24", KERNEL6 + "/64")
    server.wait_ready()
    server.wait_ready(address=SERVER6)
    file = capture.stop()
    assert count(file, f"{FROM_SERVER} && arp.opcode == 2") >= 1
    assert count(file, f"{FROM_SERVER} && icmpv6.type == 136") >= 1
    assert_clean(file, FROM_SERVER, at_least=4)


@BOTH
def test_a_new_user_with_the_readmes_words(lab, address):
    """No address of the tap's own, no offload switched off: what one who reads the README does."""
    there = lab.namespace("user")
    process = there.start(binary(), "serve", "--device", "net_tap0,iface=mr0", "--address",
                          "198.18.0.2/24", "--address", "2001:2::2/64", "--listen", "80")
    wait_for("the tap", lambda: there.has_link("mr0"))
    there.ip("addr", "add", "198.18.0.1/24", "dev", "mr0")
    there.ip("addr", "add", "2001:2::1/64", "dev", "mr0")
    there.run("curl", "-sS", "--retry", "5", "--retry-all-errors", "-m", "10", "-o",
              lab.folder / "body", url(address, "/bytes/1000000"), timeout=40)
    assert (lab.folder / "body").stat().st_size == 1_000_000
    assert "dadfailed" not in there.ip("addr", "show", "dev", "mr0").stdout
    process.stop()
    assert not there.has_link("mr0")


def first_answer_s(lab):
    """Seconds from the start of serve to the end of its first answer."""
    there = lab.namespace("quick")
    begun = time.monotonic()
    process = there.start(binary(), "serve", "--device", "net_tap0,iface=mr0", "--address",
                          "198.18.0.2/24", "--listen", "80")
    wait_for("the tap", lambda: there.has_link("mr0"))
    there.ip("addr", "add", "198.18.0.1/24", "dev", "mr0")
    there.run("curl", "-sS", "--retry", "100", "--retry-delay", "0", "--retry-all-errors",
              "--connect-timeout", "0.1", "-m", "5", "http://198.18.0.2/")
    took = time.monotonic() - begun
    process.kill()
    return took


def test_the_first_request_is_answered_within_2_s(lab):
    assert min(first_answer_s(lab) for _ in range(3)) < 2.0
