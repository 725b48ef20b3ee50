# SPDX-License-Identifier: BSD-3-Clause
"""`millrace serve` answers the kernel's TCP: what HTTP clients do, well and badly."""
import contextlib
import socket
import struct
import time

import pytest
from http1 import Reader, get, over
from lab import wait_for
from millrace import SERVER4, SERVER6, connect
from pattern import matches, pattern

BOTH = pytest.mark.parametrize("address", [SERVER4, SERVER6], ids=["v4", "v6"])
LONG = 1_000_000


def url(address, path):
    return f"http://[{address}]{path}" if ":" in address else f"http://{address}{path}"


@pytest.fixture(name="open_to")
def open_to_server(serve):
    """A function that connects; what it opened is closed with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda address=SERVER4, **options: stack.enter_context(
            connect(serve.namespace, address, **options))


@BOTH
def test_curl_gets_the_page(serve, address):
    done = serve.namespace.run("curl", "-sS", "-i", "-m", "5", url(address, "/"))
    assert done.stdout.startswith("HTTP/1.1 200 "), done.stdout
    assert "illrace" in done.stdout


@BOTH
def test_curl_gets_the_bytes(serve, address):
    file = serve.namespace.lab.folder / "body"
    serve.namespace.run("curl", "-sS", "-m", "10", "-o", file, url(address, f"/bytes/{LONG}"))
    assert file.read_bytes() == pattern(0, LONG)


@BOTH
@pytest.mark.parametrize("length", [0, 1, 2, 1447, 1448, 1449, 2896, 65_535, 65_536])
def test_bodies_of_every_length_are_exact(open_to, address, length):
    with open_to(address) as one:
        one.sendall(get(f"/bytes/{length}"))
        status, headers, body = Reader(one).response()
    assert (status, headers["content-length"]) == (200, str(length))
    assert matches(body, 0)


@BOTH
def test_head_has_the_length_and_no_body(open_to, address):
    reader = Reader(open_to(address))
    reader.connection.sendall(get("/bytes/12345", method="HEAD") + get("/bytes/3"))
    status, headers, _ = reader.response("HEAD")
    assert (status, headers["content-length"]) == (200, "12345")
    assert reader.response()[2] == pattern(0, 3)


@BOTH
def test_curl_posts_and_gets_it_back(serve, address):
    sent, got = serve.namespace.lab.folder / "sent", serve.namespace.lab.folder / "got"
    sent.write_bytes(bytes(i * 7 % 251 for i in range(50_000)))
    serve.namespace.run("curl", "-sS", "-m", "10", "-H", "Content-Type: application/octet-stream",
                        "--data-binary", f"@{sent}", "-o", got, url(address, "/echo"))
    assert got.read_bytes() == sent.read_bytes()


def test_curl_posts_in_chunks_and_gets_it_back(serve):
    sent, got = serve.namespace.lab.folder / "sent", serve.namespace.lab.folder / "got"
    sent.write_bytes(bytes(i * 11 % 253 for i in range(40_000)))
    serve.namespace.run("curl", "-sS", "-m", "10", "-H", "Transfer-Encoding: chunked",
                        "-H", "Content-Type: application/octet-stream",
                        "--data-binary", f"@{sent}", "-o", got, url(SERVER4, "/echo"))
    assert got.read_bytes() == sent.read_bytes()


def test_one_who_expects_100_is_told_to_go_on(open_to):
    reader = Reader(open_to())
    reader.connection.sendall(get("/echo", method="POST",
                                  headers=["Content-Length: 5", "Expect: 100-continue"]))
    assert reader.head()[0] == 100
    reader.connection.sendall(b"hello")
    assert reader.response()[::2] == (200, b"hello")


@BOTH
def test_python_reads_chunks(open_to, address):
    client = over(open_to(address))
    for length in (0, 1, 100_000):
        client.request("GET", f"/chunked/{length}")
        answer = client.getresponse()
        assert answer.getheader("transfer-encoding") == "chunked"
        assert answer.read() == pattern(0, length)


def test_python_sends_chunks(open_to):
    client = over(open_to())
    client.request("POST", "/echo", body=iter([b"one", b"two" * 500, b"three"]),
                   headers={"Transfer-Encoding": "chunked"}, encode_chunked=True)
    assert client.getresponse().read() == b"one" + b"two" * 500 + b"three"


@BOTH
def test_pipelined_requests_are_answered_in_order(open_to, address):
    reader = Reader(open_to(address))
    lengths = [(i * 37) % 3000 for i in range(200)]
    reader.connection.sendall(b"".join(get(f"/bytes/{length}") for length in lengths))
    for length in lengths:
        assert reader.response()[2] == pattern(0, length)


def test_a_pipeline_of_different_requests(open_to):
    reader = Reader(open_to())
    reader.connection.sendall(
        get("/chunked/5000") + get("/status/404") +
        get("/echo", method="POST", headers=["Content-Length: 3"]) + b"abc" +
        get("/delay/20") + get("/", headers=["Connection: close"]))
    assert reader.response()[2] == pattern(0, 5000)
    assert reader.response()[0] == 404
    assert reader.response()[2] == b"abc"
    assert reader.response()[0] == 200
    status, headers, _ = reader.response()
    assert (status, headers["connection"]) == (200, "close")
    assert reader.rest() == b""


@BOTH
def test_a_request_in_single_bytes(open_to, address):
    one = open_to(address)
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in get("/bytes/10") + get("/bytes/11"):
        one.sendall(bytes([byte]))
        time.sleep(0.001)
    reader = Reader(one)
    assert reader.response()[2] == pattern(0, 10)
    assert reader.response()[2] == pattern(0, 11)


@BOTH
def test_an_answer_reaches_one_who_has_stopped_sending(open_to, address):
    one = open_to(address)
    one.sendall(get(f"/bytes/{LONG}"))
    one.shutdown(socket.SHUT_WR)
    reader = Reader(one)
    assert matches(reader.response()[2], 0)
    assert reader.rest() == b""


def test_a_connection_without_a_request_is_closed_after_ours(open_to):
    one = open_to()
    one.shutdown(socket.SHUT_WR)
    assert one.recv(100) == b""


def test_connection_close_is_the_servers_fin(open_to):
    one = open_to()
    one.sendall(get("/bytes/1000", headers=["Connection: close"]))
    reader = Reader(one)
    assert len(reader.response()[2]) == 1000
    assert reader.rest() == b""


@BOTH
def test_a_slow_reader_gets_every_byte(open_to, address):
    def small(made):
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    one = open_to(address, before=small)
    one.sendall(get("/bytes/300000"))
    reader = Reader(one)
    reader.head()
    reader.pattern(300_000, pause_s=0.005, piece=2000)


@pytest.mark.limit(40)
def test_a_reader_that_pauses_is_probed_and_goes_on(open_to):
    def small(made):
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    one = open_to(before=small)
    one.sendall(get(f"/bytes/{LONG}"))
    time.sleep(2.5)
    reader = Reader(one)
    reader.head()
    reader.pattern(LONG)


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@BOTH
def test_a_reset_in_mid_transfer_ends_that_connection_alone(serve, open_to, address):
    beside = Reader(open_to(address))
    one = open_to(address)
    one.sendall(get("/bytes/1000000000"))
    one.recv(100_000)
    reset(one)
    beside.connection.sendall(get("/bytes/5"))
    assert beside.response()[2] == pattern(0, 5)
    wait_for("only the other to be left", lambda: serve.connections().get("ESTABLISHED") == 1)


def test_a_client_that_vanishes_before_its_answer(serve, open_to):
    one = open_to()
    one.sendall(get("/delay/200"))
    reset(one)
    wait_for("nobody to be left", lambda: not serve.connections().get("ESTABLISHED"))
    assert open_to() is not None


@pytest.mark.parametrize("request_text, status", [
    (b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", 404),
    (b"DELETE /bytes/1 HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\n\r\n", 411),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999\r\n\r\n", 413),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", 431),
    (b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    (b"GET / HTTP/1.1\nHost: a\n\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n folded\r\n\r\n", 400),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", 400),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
     400),
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 this is TLS\r\n\r\n", 400),
], ids=["unknown path", "method not for this", "no length", "body too long", "headers too long",
        "unknown method", "bare LF", "obs-fold", "two lengths", "length and chunked", "no host",
        "tls"])
def test_what_is_wrong_is_named(open_to, request_text, status):
    one = open_to()
    one.sendall(request_text)
    reader = Reader(one)
    assert reader.response()[0] == status
    if status == 400:
        assert reader.rest() == b""


@pytest.mark.parametrize("code", [200, 204, 301, 404, 418, 500, 503])
def test_the_status_asked_for(open_to, code):
    reader = Reader(open_to())
    reader.connection.sendall(get(f"/status/{code}") + get("/bytes/1"))
    assert reader.response()[0] == code
    assert reader.response()[2] == pattern(0, 1)


def test_the_delay_asked_for(open_to):
    reader = Reader(open_to())
    begun = time.monotonic()
    reader.connection.sendall(get("/delay/300"))
    assert reader.response()[0] == 200
    assert 0.3 <= time.monotonic() - begun < 1.3


def test_a_port_nobody_listens_on_is_refused(serve):
    for address in (SERVER4, SERVER6):
        with pytest.raises(ConnectionRefusedError):
            connect(serve.namespace, address, port=81)


def test_ss_counts_what_the_kernel_counts(serve, open_to):
    wait_for("earlier tests' connections to end",
             lambda: not serve.connections().get("ESTABLISHED"))
    opened = [open_to(SERVER6 if i % 2 else SERVER4) for i in range(50)]
    wait_for("50 to be established", lambda: serve.connections().get("ESTABLISHED") == 50)
    kernel = serve.namespace.run("ss", "-Htn", "state", "established", "dport", "=", ":80").stdout
    assert len(kernel.splitlines()) == 50
    before = serve.connections().get("TIME_WAIT", 0)
    for one in opened[:20]:
        one.sendall(get("/bytes/1", headers=["Connection: close"]))
        reader = Reader(one)
        reader.response()
        assert reader.rest() == b""
        one.close()
    wait_for("20 in TIME_WAIT", lambda: serve.connections().get("TIME_WAIT", 0) == before + 20)
    assert serve.connections()["ESTABLISHED"] == 30
