# SPDX-License-Identifier: BSD-3-Clause
"""The relay itself between two kernels, and Millrace's server behind it."""
import hashlib
import socket
import threading
import time

import pytest
from http1 import Reader, get
from impaired import ONE4, ONE6, OTHER4, OTHER6, Impaired
from lab import wait_for
from millrace import binary, connect, core
from pattern import matches

MIB = 1 << 20


def listener(namespace, family_address, sink):
    """Accepts one connection of the kernel's, reads it to its end, and notes what came."""
    with namespace.entered():
        waiting = socket.create_server((family_address, 9), family=socket.AF_INET6
                                       if ":" in family_address else socket.AF_INET)

    def run():
        one, _ = waiting.accept()
        digest = hashlib.sha256()
        while data := one.recv(65536):
            digest.update(data)
            sink["bytes"] = sink.get("bytes", 0) + len(data)
        sink["digest"] = digest.hexdigest()
        one.close()
        waiting.close()
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def send_through(one, other, address, data):
    """Seconds that the kernels need to carry `data` from one to the other."""
    sink = {}
    thread = listener(other, address, sink)
    begun = time.monotonic()
    with connect(one, address, port=9) as out:
        out.sendall(data)
    thread.join(25)
    assert sink["digest"] == hashlib.sha256(data).hexdigest()
    return time.monotonic() - begun


@pytest.mark.parametrize("address", [OTHER4, OTHER6], ids=["v4", "v6"])
def test_delay_and_rate(lab, address):
    one, other = lab.namespace("one"), lab.namespace("other")
    Impaired(lab, one, other, "--delay", "20ms", "--rate", "40M")
    wait_for("a neighbour", lambda: _reaches(one, other, address))
    begun = time.monotonic()
    sink = {}
    thread = listener(other, address, sink)
    connect(one, address, port=9).close()
    assert 0.04 <= time.monotonic() - begun < 0.5
    thread.join(5)
    # 4 MiB at 40 Mbit/s are 0.84 s.
    assert 0.83 <= send_through(one, other, address, bytes(4 * MIB)) < 4


def _reaches(one, other, address):
    source = ONE6 if ":" in address else ONE4
    sink = {}
    try:
        thread = listener(other, address, sink)
        connect(one, address, port=9, timeout=2).close()
        thread.join(2)
        return source
    except OSError:
        return None


def test_what_it_is_told_to_do_is_done(lab):
    one, other = lab.namespace("one"), lab.namespace("other")
    path = Impaired(lab, one, other, "--delay", "1ms", "--loss", "3", "--reorder", "5",
                    "--reorder-delay", "3ms", "--duplicate", "2", "--seed", "5")
    wait_for("a neighbour", lambda: _reaches(one, other, OTHER4))
    send_through(one, other, OTHER4, bytes(range(256)) * (16 * MIB // 256))
    did = path.stop()
    frames = did["frames"][0]
    assert frames > 5_000
    assert 0.02 < did["lost"][0] / frames < 0.04
    assert 0.035 < did["reordered"][0] / frames < 0.065
    assert 0.01 < did["duplicated"][0] / frames < 0.03


@pytest.mark.limit(60)
@pytest.mark.parametrize("address", [OTHER4, OTHER6], ids=["v4", "v6"])
def test_the_server_behind_a_bad_path(lab, address):
    """Loss, reordering, duplicates and delay both ways; every byte arrives."""
    one, other = lab.namespace("one"), lab.namespace("other")
    Impaired(lab, one, other, "--delay", "5ms", "--loss", "1", "--reorder", "1", "--duplicate", "1",
             addresses="im0")
    other.run("sysctl", "-qw", "net.ipv6.conf.im1.disable_ipv6=1")
    other.start(binary(), "serve", "--device", "net_af_packet0,iface=im1", "--address",
                OTHER4 + "/24", "--address", OTHER6 + "/64", "--listen", "80", "--cores", core(0),
                "--name", "impaired", log="serve.log")

    def answers():
        try:
            connect(one, address, timeout=2).close()
            return True
        except OSError:
            return False
    wait_for("serve to answer", answers, timeout=20)
    with connect(one, address) as sock:
        sock.settimeout(40)
        sock.sendall(get(f"/bytes/{2 * MIB}"))
        body = Reader(sock).response()[2]
    assert len(body) == 2 * MIB and matches(body, 0)
