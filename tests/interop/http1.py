# SPDX-License-Identifier: BSD-3-Clause
"""HTTP/1.1 by hand, over sockets whose every byte the test decides."""
import http.client
import time

from pattern import matches


def get(path, host="198.18.0.2", method="GET", headers=()):
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Reader:
    """Responses from a socket, one after the other, also when they arrive together."""

    def __init__(self, connection):
        self.connection = connection
        self.held = b""
        self.ended = False

    def more(self):
        if self.ended:
            return False
        got = self.connection.recv(1 << 18)
        self.ended = not got
        self.held += got
        return bool(got)

    def until(self, mark):
        while mark not in self.held:
            if not self.more():
                raise EOFError(f"the connection ended before {mark!r}: {self.held[:200]!r}")
        found, self.held = self.held.split(mark, 1)
        return found

    def exactly(self, length):
        while len(self.held) < length:
            if not self.more():
                raise EOFError(f"the connection ended {length - len(self.held)} bytes early")
        found, self.held = self.held[:length], self.held[length:]
        return found

    def head(self):
        """(status, headers with names in lower case)."""
        lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, status = lines[0].split(" ")[:2]
        assert version == "HTTP/1.1", lines[0]
        headers = {}
        for line in lines[1:]:
            name, value = line.split(":", 1)
            headers[name.strip().lower()] = value.strip()
        return int(status), headers

    def response(self, method="GET"):
        """(status, headers, body)."""
        status, headers = self.head()
        while status == 100:
            status, headers = self.head()
        if method == "HEAD" or status in (204, 304):
            return status, headers, b""
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return status, headers, self.chunks()
        if "content-length" in headers:
            return status, headers, self.exactly(int(headers["content-length"]))
        return status, headers, self.rest()

    def chunks(self):
        body = b""
        while True:
            size = int(self.until(b"\r\n").split(b";")[0], 16)
            body += self.exactly(size)
            assert self.exactly(2) == b"\r\n"
            if size == 0:
                return body

    def rest(self):
        while self.more():
            pass
        found, self.held = self.held, b""
        return found

    def pattern(self, length, pause_s=0.0, piece=1 << 18):
        """Reads that many bytes and compares each with the pattern, holding none of them."""
        done = 0
        while done < length:
            if not self.held and not self.more():
                raise EOFError(f"the connection ended after {done} of {length} bytes")
            taken, self.held = self.held[:min(piece, length - done)], \
                self.held[min(piece, length - done):]
            assert matches(taken, done), f"a byte is wrong between {done} and {done + len(taken)}"
            done += len(taken)
            if pause_s:
                time.sleep(pause_s)


def over(connection):
    """http.client on a socket that is connected already."""
    made = http.client.HTTPConnection("198.18.0.2")
    made.sock = connection
    return made
