# SPDX-License-Identifier: BSD-3-Clause
"""`millrace load` against nginx on the kernel's TCP: what it counts is what nginx counted."""
import json
import signal
import time

import pytest
from lab import wait_for
from millrace import FROM_LOAD, KERNEL4, KERNEL6, Load, ready_tap
from nginx import Nginx
from wire import Capture, assert_clean

PORT = 8080
URL4 = f"http://{KERNEL4}:{PORT}/bytes/64"
URL6 = f"http://[{KERNEL6}]:{PORT}/bytes/64"
BOTH = pytest.mark.parametrize("url", [URL4, URL6], ids=["v4", "v6"])
RATE_ONLY = (0, 4)  # 4 where a slow machine missed the rate asked for; nothing else may be


@pytest.fixture(name="there")
def nginx_and_a_tap(lab):
    """A namespace with nginx and a tap that is ready; what load sends passes tshark."""
    there = lab.namespace("load")
    ready_tap(there)
    there.nginx = Nginx(there, PORT)
    there.capture = Capture(there, "mr0", max_frames=8_000)
    yield there
    assert_clean(there.capture.stop(), FROM_LOAD, http=False)


def agree(result, nginx, at_least=100):
    """No failure, and nginx answered as many requests as load says it completed."""
    end = result["end"]
    assert not end["transactions"]["failed"] and not end["connections"]["failed"], end
    completed = end["transactions"]["completed"]
    answered = nginx.requests()
    assert set(answered) == {"GET /bytes/64 200"}, set(answered)
    assert len(answered) == completed
    assert completed >= at_least
    assert all("under 95 %" in rule for rule in result["verdict"]["broken_rules"])


@pytest.mark.limit(60)
@BOTH
def test_100000_requests_open_loop(there, url):
    load = Load(there, url, "--mode", "cps", "--rate", "2k", "--requests-per-connection", "10",
                "--duration", "8s")
    result = load.result(codes=RATE_ONLY)
    assert result["end"]["connections"]["offered"] == 16_000
    agree(result, there.nginx, at_least=100_000)


@pytest.mark.limit(60)
@BOTH
def test_connections_closed_loop(there, url):
    load = Load(there, url, "--mode", "cps", "--closed", "--connections", "50", "--duration", "3s")
    result = load.result()
    assert result["start"]["loop"] == "closed"
    agree(result, there.nginx, at_least=1000)


@pytest.mark.limit(60)
def test_transactions_closed_loop(there):
    load = Load(there, URL4, "--mode", "tps", "--closed", "--connections", "50", "--duration", "3s")
    result = load.result()
    assert result["end"]["connections"]["completed"] == 50
    agree(result, there.nginx)


@pytest.mark.limit(60)
def test_transactions_open_loop(there):
    load = Load(there, URL6, "--mode", "tps", "--rate", "5k", "--connections", "20", "--duration",
                "3s")
    agree(load.result(codes=RATE_ONLY), there.nginx)


@pytest.mark.limit(60)
def test_connections_held(there):
    load = Load(there, URL4, "--mode", "concurrent", "--connections", "2000", "--rate", "2k",
                "--duration", "2s")

    def held():
        lines = there.run("ss", "-Htn", "state", "established", "sport", "=", f":{PORT}").stdout
        return len(lines.splitlines()) == 2000
    wait_for("2,000 connections that the kernel counts", held, timeout=20)
    agree(load.result(), there.nginx, at_least=2000)


@pytest.mark.limit(60)
def test_the_server_closes(there):
    load = Load(there, URL4, "--mode", "cps", "--rate", "1k", "--close", "server", "--duration",
                "2s")
    result = load.result(codes=RATE_ONLY)
    assert result["start"]["close_mode"] == "server FIN"
    agree(result, there.nginx, at_least=1000)


@pytest.mark.limit(60)
def test_throughput(there):
    load = Load(there, f"http://{KERNEL4}:{PORT}/bytes/100000", "--mode", "throughput",
                "--connections", "10", "--duration", "2s")
    result = load.result()
    done = result["end"]["transactions"]
    assert not done["failed"] and done["completed"] > 100
    assert sum(i["received_bytes"] for i in result["intervals"]) > done["completed"] * 100_000


def test_weighted_requests(there):
    load = Load(there, URL4, "--mode", "tps", "--rate", "1k", "--connections", "5", "--pipeline",
                "3", "--ask", "3 /bytes/64", "--ask", f"HEAD {URL6}", "--duration", "2s")
    end = load.result(codes=RATE_ONLY)["end"]
    assert not end["transactions"]["failed"] and not end["connections"]["failed"], end
    answered = there.nginx.requests()
    assert len(answered) == end["transactions"]["completed"] > 1000
    assert set(answered) == {"GET /bytes/64 200", "HEAD /bytes/64 200"}


RESETS = """
import socket, struct, time
server = socket.create_server(("0.0.0.0", 82), backlog=100)
while True:
    connection, _ = server.accept()
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n")
    time.sleep(0.002)  # for the answer's acknowledgement
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
"""


def test_the_server_resets(there):
    server = there.start("/usr/bin/python3", "-c", RESETS)
    try:
        wait_for("the server", lambda: there.has_listener(82))
        load = Load(there, f"http://{KERNEL4}:82/", "--rate", "50", "--close", "server-rst",
                    "--duration", "1s")
        result = load.result(codes=(4,))
    finally:
        server.stop()
    assert result["start"]["close_mode"] == "server RST"
    book = result["end"]["connections"]
    assert book["completed"] == book["launched"] == 50, book
    assert "closed by RST" in json.dumps(result["verdict"]["broken_rules"])


def test_ctrl_c_gives_the_results_so_far(there):
    load = Load(there, URL4, "--mode", "cps", "--rate", "1k", "--duration", "60s")
    time.sleep(2)
    load.process.send(signal.SIGINT)
    result = load.result(timeout=10, codes=(130,))
    assert result["end"]["interrupted"] is True
    agree(result, there.nginx)


def test_what_is_refused_is_counted_by_that_cause(there):
    load = Load(there, f"http://{KERNEL4}:81/", "--mode", "cps", "--rate", "100", "--duration",
                "1s")
    book = load.result(codes=(4,))["end"]["connections"]
    assert book["failed"] == {"refused": book["launched"]} and book["launched"] >= 90, book


@pytest.mark.parametrize("target", ["198.18.0.99", "[2001:2::99]"], ids=["v4", "v6"])
def test_a_host_that_is_not_there(there, target):
    load = Load(there, f"http://{target}/", "--mode", "cps", "--rate", "100", "--duration", "1s",
                "--connect-timeout", "1s")
    book = load.result(codes=(4,))["end"]["connections"]
    assert book["completed"] == 0 and book["launched"] >= 90
    assert set(book["failed"]) <= {"connect_timeout", "unreachable"}, book


def test_status_404_is_a_failure(there):
    load = Load(there, f"http://{KERNEL4}:{PORT}/nowhere", "--mode", "cps", "--rate", "100",
                "--duration", "1s")
    result = load.result(codes=(4,))
    failed = result["end"]["transactions"]["failed"]
    assert list(failed) == ["bad_status"] and failed["bad_status"] >= 90
    assert len(there.nginx.requests()) == failed["bad_status"]
    assert json.dumps(result["verdict"]["broken_rules"])
