# SPDX-License-Identifier: BSD-3-Clause
"""Ways in other than one tap and one core: several workers, af_packet on a veth, a memif between
two processes, and the echo program. And what the kernel is told of a port without TCP."""
import json
import os
import pathlib
import socket

import pytest
from http1 import Reader, get
from lab import wait_for
from millrace import (CLIENTS4, FROM_SERVER, KERNEL4, KERNEL6, SERVER4, SERVER6, SERVER_MAC, Serve,
                      binary, connect, core, give_addresses, settle_tap)
from wire import Capture, assert_clean

FETCH = ["curl", "-sS", "-m", "5", "-o", "/dev/null", "-w", "%{http_code} %{size_download}"]
ADDRESSES = ["--address", SERVER4 + "/24", "--address", SERVER6 + "/64"]


def fetch(namespace, address):
    host = f"[{address}]" if ":" in address else address
    return namespace.run(*FETCH, f"http://{host}/bytes/100000", check=False).stdout


def test_two_workers_share_a_tap(lab):
    """Every connection is answered, whichever of the two workers owns it."""
    here = lab.namespace("host")
    serve = Serve(here, "--cores", ",".join(str(c) for c in sorted(os.sched_getaffinity(0))[:2]))
    opened = [connect(here, SERVER4 if i % 2 else SERVER6) for i in range(64)]
    for one in opened:
        one.sendall(get("/bytes/5000"))
    for one in opened:
        assert len(Reader(one).response()[2]) == 5000
        one.close()
    done = here.run("wrk", "-t", "1", "-c", "32", "-d", "2s", f"http://{SERVER4}/bytes/64")
    assert "Socket errors" not in done.stdout and "Non-2xx" not in done.stdout, done.stdout
    assert serve.stop() == 130, serve.process


def test_af_packet_on_a_veth(lab):
    here, there = lab.namespace("host"), lab.namespace("serve")
    lab.cable(here, "c0", there, "s0")
    there.ip("link", "set", "s0", "address", SERVER_MAC)
    # The kernel at that end answers nothing: it has no addresses, and none of IPv6.
    there.run("sysctl", "-qw", "net.ipv6.conf.s0.disable_ipv6=1")
    give_addresses(here, "c0", KERNEL4 + "/24", KERNEL6 + "/64")
    there.start(binary(), "serve", "--device", "net_af_packet0,iface=s0", *ADDRESSES, "--listen",
                "80", "--cores", core(0), "--name", "af-packet", log="serve.log")
    capture = Capture(here, "c0")
    for address in (SERVER4, SERVER6):
        wait_for("serve to answer", lambda a=address: fetch(here, a) == "200 100000", pause=0.2)
    assert_clean(capture.stop(), FROM_SERVER)


def test_a_memif_between_two_processes(lab):
    here = lab.namespace("host")
    path = pathlib.Path(lab.folder) / "memif.sock"
    device = f"socket={path},socket-abstract=no"
    serve = here.start(binary(), "serve", "--device", f"net_memif0,role=server,{device}",
                       *ADDRESSES, "--listen", "80", "--cores", core(0), "--name", "memif",
                       log="serve.log")
    wait_for("the socket", path.exists)
    result = pathlib.Path(lab.folder) / "result.json"
    done = here.run(binary(), "load", f"http://{SERVER4}/bytes/64", "--device",
                    f"net_memif0,role=client,{device}", "--address", CLIENTS4, "--cores", core(1),
                    "--mode", "cps", "--rate", "500", "--duration", "2s", "--json", result,
                    check=False)
    # Late is allowed on a busy machine, lost is not.
    assert done.returncode in (0, 4), done.stdout + str(serve)
    book = json.loads(result.read_text())["end"]["transactions"]
    assert book["completed"] >= 800 and not book["failed"], book


def test_the_echo_program(lab):
    here = lab.namespace("host")
    program = pathlib.Path(binary()).parent / "millrace-echo"
    echo = here.start(program, "--device", f"net_tap0,iface=mr0,mac={SERVER_MAC}", "--address",
                      SERVER4 + "/24", log="echo.log")
    settle_tap(here, "mr0", echo)
    give_addresses(here, "mr0", KERNEL4 + "/24")
    with connect(here, SERVER4, port=7) as one:
        for size in (1, 64, 100_000):
            sent = bytes(i % 251 for i in range(size))
            one.sendall(sent)
            got = b""
            while len(got) < size:
                got += one.recv(65536)
            assert got == sent
        one.shutdown(socket.SHUT_WR)
        assert one.recv(1) == b""


@pytest.mark.parametrize("address", [SERVER4, SERVER6], ids=["v4", "v6"])
def test_udp_is_refused(lab, address):
    """The kernel hears that nobody listens, and its socket says so."""
    here = lab.namespace("host")
    Serve(here)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with here.entered():
        one = socket.socket(family, socket.SOCK_DGRAM)
    capture = Capture(here, "mr0")
    with one:
        one.settimeout(5)
        one.connect((address, 53))
        one.send(b"a question")
        with pytest.raises(ConnectionRefusedError):
            one.recv(1)
    assert_clean(capture.stop(), FROM_SERVER)
