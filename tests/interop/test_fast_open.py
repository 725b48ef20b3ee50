# SPDX-License-Identifier: BSD-3-Clause
"""TCP Fast Open (RFC 7413) with the kernel at the other end, each side once as the client. The
kernel's own counters say whether text in a SYN was taken."""
import socket

import pytest
from http1 import Reader, get
from lab import wait_for
from millrace import (FROM_LOAD, FROM_SERVER, KERNEL4, KERNEL6, SERVER4, SERVER6, Load, Serve,
                      ready_tap)
from nginx import Nginx
from pattern import matches
from wire import Capture, assert_clean

PORT = 8080
BOTH = pytest.mark.parametrize("address", [SERVER4, SERVER6], ids=["v4", "v6"])


def allow(namespace):
    """The kernel as a client and as a server, whatever failed before."""
    namespace.run("sysctl", "-qw", "net.ipv4.tcp_fastopen=3",
                  "net.ipv4.tcp_fastopen_blackhole_timeout_sec=0")


def count(namespace, name):
    """A counter of the kernel's TcpExt."""
    heads, values = [line.split()[1:] for line in
                     namespace.run("cat", "/proc/net/netstat").stdout.splitlines()
                     if line.startswith("TcpExt:")]
    return int(dict(zip(heads, values))[name])


@pytest.fixture(scope="module", name="server")
def serve_with_fast_open(shared_lab):
    namespace = shared_lab.namespace("serve")
    allow(namespace)
    server = Serve(namespace, "--fast-open")
    capture = Capture(namespace, server.tap)
    yield server
    assert server.stop() in (0, 130), str(server.process)
    assert_clean(capture.stop(), FROM_SERVER)


def ask(namespace, address, path):
    """One request with its SYN, if the kernel knows a cookie. Returns status and body."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with namespace.entered():
        made = socket.socket(family, socket.SOCK_STREAM)
    with made:
        made.sendto(get(path), socket.MSG_FASTOPEN, (address, 80))
        made.settimeout(5)
        status, _, body = Reader(made).response()
        return status, body


@BOTH
def test_the_kernel_sends_its_request_with_the_syn(server, address):
    there = server.namespace
    for _ in range(5):
        before = count(there, "TCPFastOpenActive")
        status, body = ask(there, address, "/bytes/20000")
        assert status == 200 and len(body) == 20_000 and matches(body, 0)
    assert count(there, "TCPFastOpenActive") == before + 1
    assert count(there, "TCPFastOpenActiveFail") == 0


@BOTH
def test_curl_sends_its_request_with_the_syn(server, address):
    url = f"http://[{address}]/bytes/100" if ":" in address else f"http://{address}/bytes/100"
    for _ in range(2):  # the first may have to ask for a cookie
        before = count(server.namespace, "TCPFastOpenActive")
        done = server.namespace.run("curl", "-sS", "-m", "5", "--tcp-fastopen", "-o", "/dev/null",
                                    "-w", "%{http_code} %{size_download}", url)
        assert done.stdout == "200 100"
    assert count(server.namespace, "TCPFastOpenActive") == before + 1


@pytest.mark.limit(60)
@pytest.mark.parametrize("host", [KERNEL4, f"[{KERNEL6}]"], ids=["v4", "v6"])
def test_load_sends_its_request_with_the_syn(lab, host):
    there = lab.namespace("load")
    allow(there)
    ready_tap(there)
    nginx = Nginx(there, PORT, listen="fastopen=1024")
    capture = Capture(there, "mr0", max_frames=8_000)
    load = Load(there, f"http://{host}:{PORT}/bytes/64", "--fast-open", "--mode", "cps", "--rate",
                "500", "--duration", "3s")
    result = load.result(codes=(0, 4))  # 4: a slow machine missed the rate
    end = result["end"]
    assert not end["transactions"]["failed"] and not end["connections"]["failed"], end
    completed = end["transactions"]["completed"]
    assert completed == len(nginx.requests()) > 100
    # Sixteen addresses have to ask for their cookie first.
    wait_for("the kernel to have counted", lambda: count(there, "TCPFastOpenPassive") > 0)
    assert count(there, "TCPFastOpenPassive") > completed // 2
    assert count(there, "TCPFastOpenPassiveFail") == 0
    assert_clean(capture.stop(), FROM_LOAD, http=False)
