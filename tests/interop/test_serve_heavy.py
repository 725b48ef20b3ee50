# SPDX-License-Identifier: BSD-3-Clause
"""`millrace serve` under many connections, many requests and long bodies. Each test has a server
and a capture of its own: tshark sees the first frames of each."""
import re
import selectors
import subprocess

import pytest
from http1 import Reader, get
from lab import wait_for
from millrace import FROM_SERVER, SERVER4, SERVER6, Serve, connect
from pattern import matches, pattern
from wire import Capture, assert_clean

FRAMES = 8_000
BOTH = pytest.mark.parametrize("host, address", [(SERVER4, SERVER4), (f"[{SERVER6}]", SERVER6)],
                               ids=["v4", "v6"])


@pytest.fixture(name="server")
def watched_server(lab):
    server = Serve(lab.namespace("serve"))
    capture = Capture(server.namespace, server.tap, max_frames=FRAMES)
    yield server
    assert server.process.running(), f"it ended during the test: {server.process}"
    assert server.stop() in (0, 130), str(server.process)
    assert_clean(capture.stop(), FROM_SERVER, at_least=1000, http=False)


@pytest.mark.limit(60)
@BOTH
def test_curl_makes_10000_requests(server, lab, host, address):
    del address
    done = server.namespace.run(
        "curl", "-sS", "-m", "50", "-o", "/dev/null",
        "-w", "%{http_code} %{size_download} %{num_connects}\\n",
        f"http://{host}/bytes/[1-10000]", timeout=55, stdout=subprocess.PIPE)
    lines = done.stdout.splitlines()
    assert len(lines) == 10_000
    for length, line in enumerate(lines, 1):
        assert line.split()[:2] == ["200", str(length)]
    assert sum(int(line.split()[2]) for line in lines) == 1, "the connection was not kept"


@pytest.mark.limit(90)
def test_a_body_of_1_gib_is_exact(server):
    length = 1 << 30
    with subprocess.Popen(server.namespace.command("curl", "-sS", "-m", "80", "--no-buffer",
                                                   f"http://{SERVER4}/bytes/{length}"),
                          stdout=subprocess.PIPE) as curl:
        done = 0
        while piece := curl.stdout.read(1 << 20):
            assert matches(piece, done), f"a byte is wrong after {done}"
            done += len(piece)
        assert curl.wait() == 0
    assert done == length


@pytest.mark.limit(60)
def test_a_body_of_10_gib_is_begun_and_left(server):
    with connect(server.namespace, SERVER6) as one:
        one.sendall(get(f"/bytes/{10 << 30}"))
        reader = Reader(one)
        assert reader.head()[1]["content-length"] == str(10 << 30)
        reader.pattern(20 << 20)
    wait_for("it to be gone", lambda: not server.connections().get("ESTABLISHED"))


@BOTH
def test_wrk_with_100_connections(server, lab, host, address):
    del address, lab
    done = server.namespace.run("wrk", "-t", "1", "-c", "100", "-d", "4s", "--timeout", "4s",
                                f"http://{host}/bytes/64")
    assert "Socket errors" not in done.stdout and "Non-2xx" not in done.stdout, done.stdout
    assert int(re.search(r"(\d+) requests in", done.stdout).group(1)) > 5000, done.stdout


@pytest.mark.parametrize("keep", [["-k"], []], ids=["keep-alive", "one each"])
def test_ab(server, keep):
    done = server.namespace.run("ab", "-q", *keep, "-n", "10000", "-c", "50", "-s", "10",
                                f"http://{SERVER4}/bytes/100")
    found = dict(re.findall(r"^([\w -]+):\s+(\d+)", done.stdout, re.MULTILINE))
    assert found["Complete requests"] == "10000" and found["Failed requests"] == "0", done.stdout
    assert "Non-2xx responses" not in found, done.stdout
    if keep:
        assert int(found["Keep-Alive requests"]) == 10_000, done.stdout


@pytest.mark.limit(60)
def test_1000_connections_at_once(server):
    readers = [Reader(connect(server.namespace, SERVER6 if i % 2 else SERVER4))
               for i in range(1000)]
    wait_for("1,000 to be counted", lambda: server.connections()["ESTABLISHED"] == 1000)
    for turn in range(3):
        for i, reader in enumerate(readers):
            reader.connection.sendall(get(f"/bytes/{i + turn}"))
        for i, reader in enumerate(readers):
            assert reader.response()[2] == pattern(0, i + turn)
    for reader in readers:
        reader.connection.close()
    wait_for("all to be gone", lambda: not server.connections().get("ESTABLISHED"))


@pytest.mark.limit(60)
def test_100_long_bodies_at_once(server):
    length = 2_000_000
    left = {}
    with selectors.DefaultSelector() as selector:
        for i in range(100):
            one = connect(server.namespace, SERVER6 if i % 2 else SERVER4)
            one.sendall(get(f"/bytes/{length}"))
            reader = Reader(one)
            reader.head()
            assert matches(reader.held, 0)
            left[one] = len(reader.held)
            selector.register(one, selectors.EVENT_READ)
        while left:
            for key, _ in selector.select(10):
                one = key.fileobj
                got = one.recv(1 << 18)
                assert got and matches(got, left[one])
                left[one] += len(got)
                if left[one] == length:
                    selector.unregister(one)
                    one.close()
                    del left[one]
