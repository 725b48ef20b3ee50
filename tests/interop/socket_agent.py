# SPDX-License-Identifier: BSD-3-Clause
"""Socket calls through an agent, and two worlds to make them in.

A Tool is one connection to an agent (tests/conformance/calls/socket_calls.h): it makes one call
at a time, and a second Tool of the same agent does not wait for it. In the one world the agent is
`socket_agent`, Millrace on a tap; in the other it is `reference_agent`, the kernel's sockets on a
veth. Both have the same address, and the same kernel as their peer.
"""
import errno
import os
import select
import socket
import struct
import threading

from lab import wait_for
from millrace import core, give_addresses, settle_tap

AGENT = {socket.AF_INET: "198.18.0.2", socket.AF_INET6: "2001:2::2"}
PEER = {socket.AF_INET: "198.18.0.1", socket.AF_INET6: "2001:2::1"}
LENGTH = {socket.AF_INET: "/24", socket.AF_INET6: "/64"}
CALLS = ("socket", "bind", "listen", "accept", "connect", "recv", "send", "close", "shutdown",
         "getsockopt", "setsockopt", "fcntl", "ioctl", "poll")
_REQUEST = struct.Struct("@IiiiiI")
_REPLY = struct.Struct("@qiI")
_POLLFD = struct.Struct("@ihh")
F_GETFL, F_SETFL = 3, 4
SIOCINQ, SIOCOUTQ = 0x541B, 0x5411
POLL_NAMES = {getattr(select, name): name[4:] for name in
              ("POLLIN", "POLLOUT", "POLLERR", "POLLHUP", "POLLNVAL", "POLLRDHUP")}


class Failed(Exception):
    """A call that returned -1."""

    def __init__(self, number):
        super().__init__(errno.errorcode.get(number, str(number)))


def sockaddr(family, address, port):
    """A sockaddr_in or sockaddr_in6."""
    raw = socket.inet_pton(family, address)
    if family == socket.AF_INET:
        return struct.pack("@H", family) + struct.pack("!H", port) + raw + bytes(8)
    return struct.pack("@H", family) + struct.pack("!HI", port, 0) + raw + bytes(4)


class Tool:
    """One calling thread of a tool."""

    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(20)
        self.socket.connect(path)

    def close(self):
        self.socket.close()

    def begin(self, name, fd=-1, a=0, b=0, c=0, data=b""):
        """Sends the call without waiting for its result."""
        request = _REQUEST.pack(CALLS.index(name) + 1, fd, a, b, c, len(data))
        self.socket.send(request + data)

    def result(self):
        record = self.socket.recv(1 << 20)
        value, error, length = _REPLY.unpack_from(record)
        data = record[_REPLY.size:]
        assert len(data) == length, record
        if value < 0:
            raise Failed(error)
        return value, data

    def answered(self, within):
        """Whether the call that was begun has a result."""
        return bool(select.select([self.socket], [], [], within)[0])

    def call(self, *args, **names):
        self.begin(*args, **names)
        return self.result()


class World:
    """An agent, its address, and the kernel as its peer."""

    def __init__(self, path, peer):
        self.path = path
        self.peer = peer

    def tool(self):
        return Tool(self.path)

    def listener(self, family, port, backlog=5):
        """A socket of the peer's that listens."""
        with self.peer.entered():
            made = socket.socket(family, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.settimeout(5)
        made.bind((PEER[family], port))
        made.listen(backlog)
        return made

    def dial(self, family, port):
        """A connection of the peer's to the agent."""
        with self.peer.entered():
            made = socket.socket(family, socket.SOCK_STREAM)
        made.settimeout(5)
        made.connect((AGENT[family], port))
        return made

    def deaf(self, on):
        """Whether the peer drops what arrives."""
        if on:
            self.peer.run("nft", "add table inet deaf; add chain inet deaf in "
                          "{ type filter hook input priority 0; policy drop; }; "
                          "add rule inet deaf in icmpv6 type { 135, 136 } accept")
        else:
            self.peer.run("nft", "delete table inet deaf")


def program(name):
    path = os.path.join(os.environ["MILLRACE_BUILD"], name)
    assert os.access(path, os.X_OK), f"there is no {path}: build the target {name}"
    return path


def addresses_of(table):
    return [table[family] + LENGTH[family] for family in table]


def millrace_world(lab):
    peer = lab.namespace("tap")
    path = str(lab.folder / "millrace.socket")
    args = [program("socket_agent"), "--device", "net_tap0,iface=mr0", "--socket", path,
            "--cores", core(0)]
    for address in addresses_of(AGENT):
        args += ["--address", address]
    process = peer.start(*args, log="socket_agent.log")
    settle_tap(peer, "mr0", process)
    give_addresses(peer, "mr0", *addresses_of(PEER))
    wait_for("the agent", lambda: "ready" in process.text())
    world = World(path, peer)
    wait_until_reached(world)
    return world


def kernel_world(lab):
    own, peer = lab.namespace("own"), lab.namespace("peer")
    lab.cable(own, "v0", peer, "v1")
    give_addresses(own, "v0", *addresses_of(AGENT))
    give_addresses(peer, "v1", *addresses_of(PEER))
    path = str(lab.folder / "kernel.socket")
    # Another agent on the kernel's sockets may take the place of ours.
    own.start(os.environ.get("REFERENCE_AGENT") or program("reference_agent"), path,
              log="reference_agent.log")
    wait_for("the agent", lambda: os.path.exists(path))
    world = World(path, peer)
    wait_until_reached(world)
    return world


def wait_until_reached(world):
    """The peer and the agent know each other's link addresses, and no address is tentative."""
    for family in AGENT:
        def refused(family=family):
            try:
                world.dial(family, 1).close()
            except ConnectionRefusedError:
                return True
            except OSError:
                return False
            return False
        wait_for("the agent to answer", refused)


class Caller:
    """Calls by name on behalf of a scenario, each written down with what it returned."""

    def __init__(self, world, family):
        self.world, self.family = world, family
        self.tool = world.tool()
        self.log = []
        self.fds = {}

    def note(self, *what):
        self.log.append(what)

    def number(self, fd):
        """Descriptors by the order in which they came: their numbers are the agent's own."""
        return self.fds.setdefault(fd, len(self.fds))

    def _do(self, name, shown, *args, **names):
        try:
            value, data = self.tool.call(name, *args, **names)
        except Failed as failed:
            self.note(name, *shown, str(failed))
            return None, b""
        return value, data

    def _plain(self, name, shown, *args, **names):
        value, _ = self._do(name, shown, *args, **names)
        if value is not None:
            self.note(name, *shown, value)
        return value

    def socket(self, kind=socket.SOCK_STREAM, protocol=0, family=None):
        value, _ = self._do("socket", (kind, protocol), a=family or self.family, b=kind,
                            c=protocol)
        if value is not None:
            self.note("socket", kind, protocol, self.number(value))
        return value

    def bind(self, fd, port, address=None):
        address = address or ("0.0.0.0" if self.family == socket.AF_INET else "::")
        return self._plain("bind", (self.number(fd), port), fd,
                           data=sockaddr(self.family, address, port))

    def listen(self, fd, backlog=5):
        return self._plain("listen", (self.number(fd),), fd, a=backlog)

    def accept(self, fd):
        value, data = self._do("accept", (self.number(fd),), fd)
        if value is not None:
            self.note("accept", self.number(value), data[:2].hex(), len(data))
        return value

    def connect(self, fd, port, address=None):
        data = sockaddr(self.family, address or PEER[self.family], port)
        return self._plain("connect", (self.number(fd), port), fd, data=data)

    def send(self, fd, data, flags=0):
        return self._plain("send", (self.number(fd), data[:20], flags), fd, b=flags, data=data)

    def recv(self, fd, length=1000, flags=0):
        value, data = self._do("recv", (self.number(fd), length, flags), fd, a=length, b=flags)
        if value is not None:
            self.note("recv", self.number(fd), length, flags, value, data[:40])
        return data

    def shutdown(self, fd, how):
        return self._plain("shutdown", (self.number(fd), how), fd, a=how)

    def close(self, fd):
        return self._plain("close", (self.number(fd),), fd)

    def get(self, fd, level, option, length=4):
        value, data = self._do("getsockopt", (self.number(fd), level, option), fd, a=level,
                               b=option, c=length)
        if value is not None:
            self.note("getsockopt", self.number(fd), level, option, data.hex())
        return data

    def set(self, fd, level, option, value):
        data = struct.pack("@i", value) if isinstance(value, int) else value
        return self._plain("setsockopt", (self.number(fd), level, option, data), fd, a=level,
                           b=option, data=data)

    def nonblocking(self, fd, on=True):
        return self._plain("fcntl", (self.number(fd), on), fd, a=F_SETFL,
                           b=os.O_NONBLOCK if on else 0)

    def flags(self, fd):
        return self._plain("fcntl", (self.number(fd),), fd, a=F_GETFL)

    def amount(self, fd, which):
        value, data = self._do("ioctl", (self.number(fd), which), fd, a=which)
        if value is not None:
            self.note("ioctl", self.number(fd), which, struct.unpack("@i", data)[0])
            return struct.unpack("@i", data)[0]
        return None

    def poll(self, fd, timeout_ms=0, events=select.POLLIN | select.POLLOUT | select.POLLRDHUP):
        value, data = self._do("poll", (), a=timeout_ms, data=_POLLFD.pack(fd, events, 0))
        found = _POLLFD.unpack(data)[2]
        names = sorted(name for bit, name in POLL_NAMES.items() if found & bit)
        self.note("poll", self.number(fd), value, names)
        return names

    def wait_unread(self, fd, count):
        """Until that many bytes have come; not written down."""
        def there():
            _, data = self.tool.call("ioctl", fd, a=SIOCINQ)
            return struct.unpack("@i", data)[0] >= count
        wait_for(f"{count} bytes", there)

    def wait_poll(self, fd, event):
        """Until poll() shows that; not written down."""
        def there():
            value, data = self.tool.call("poll", a=0, data=_POLLFD.pack(fd, event, 0))
            del value
            return _POLLFD.unpack(data)[2] & event
        wait_for(f"poll event {event}", there)


def in_background(function):
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread
