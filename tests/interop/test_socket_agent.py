# SPDX-License-Identifier: BSD-3-Clause
"""The same socket calls on Millrace and on the kernel: each returns the same value or errno."""
import select
import socket
import struct

import pytest
from lab import wait_for
from millrace import core, give_addresses, settle_tap
from socket_agent import (AGENT, PEER, SIOCINQ, SIOCOUTQ, Caller, Failed, World, kernel_world,
                          millrace_world, program, sockaddr)

FAMILIES = {"v4": socket.AF_INET, "v6": socket.AF_INET6}
SOL, TCP = socket.SOL_SOCKET, socket.IPPROTO_TCP
RESET = struct.pack("@ii", 1, 0)


def accepted(c, port):
    """A connection that the peer opened: its socket, the listening and the new descriptor."""
    fd = c.socket()
    c.set(fd, SOL, socket.SO_REUSEADDR, 1)
    c.bind(fd, port)
    c.listen(fd)
    peer = c.world.dial(c.family, port)
    return peer, fd, c.accept(fd)


def connected(c, port):
    """A connection that the agent opened: the peer's socket and the descriptor."""
    listener = c.world.listener(c.family, port)
    fd = c.socket()
    c.connect(fd, port)
    peer, _ = listener.accept()
    peer.settimeout(5)
    listener.close()
    return peer, fd


def refused(c, port):
    fd = c.socket()
    c.connect(fd, port)
    c.get(fd, SOL, socket.SO_ERROR)
    c.poll(fd)
    listener = c.world.listener(c.family, port)
    c.connect(fd, port)
    c.connect(fd, port)
    listener.accept()[0].close()


def echo(c, port):
    peer, listening, fd = accepted(c, port)
    peer.sendall(b"ping")
    c.recv(fd)
    c.send(fd, b"pong")
    assert peer.recv(100) == b"pong"
    peer.close()
    c.recv(fd)
    c.close(fd)
    c.close(listening)
    c.close(listening)


def active_echo(c, port):
    peer, fd = connected(c, port)
    c.send(fd, b"ping")
    assert peer.recv(100) == b"ping"
    peer.sendall(b"pong" * 1000)
    c.wait_unread(fd, 4000)
    c.recv(fd, 8)
    c.amount(fd, SIOCINQ)
    c.recv(fd, 5000)
    c.close(fd)
    assert peer.recv(100) == b""


def half_close(c, port):
    peer, fd = connected(c, port)
    c.shutdown(fd, socket.SHUT_WR)
    assert peer.recv(100) == b""
    c.send(fd, b"x")
    c.poll(fd)
    peer.sendall(b"still")
    c.recv(fd)
    peer.shutdown(socket.SHUT_WR)
    c.recv(fd)
    c.wait_poll(fd, select.POLLHUP)
    c.poll(fd)
    c.shutdown(fd, socket.SHUT_RDWR)
    c.recv(fd)


def half_closed_by_the_peer(c, port):
    peer, _, fd = accepted(c, port)
    peer.sendall(b"last")
    peer.shutdown(socket.SHUT_WR)
    c.wait_poll(fd, select.POLLRDHUP)
    c.poll(fd)
    c.amount(fd, SIOCINQ)
    c.recv(fd)
    c.recv(fd)
    c.send(fd, b"answer")
    assert peer.recv(100) == b"answer"
    c.shutdown(fd, socket.SHUT_WR)
    assert peer.recv(100) == b""
    c.send(fd, b"x")


def shut_reading(c, port):
    peer, fd = connected(c, port)
    c.shutdown(fd, socket.SHUT_RD)
    c.recv(fd)
    c.poll(fd)
    c.send(fd, b"goes")
    assert peer.recv(100) == b"goes"
    c.shutdown(fd, 7)
    c.shutdown(fd, socket.SHUT_WR)
    assert peer.recv(100) == b""


def linger_zero(c, port):
    peer, fd = connected(c, port)
    c.set(fd, SOL, socket.SO_LINGER, RESET)
    c.get(fd, SOL, socket.SO_LINGER, 8)
    c.close(fd)
    with pytest.raises(ConnectionResetError):
        peer.recv(100)


def timed_linger(c, port):
    peer, fd = connected(c, port)
    c.set(fd, SOL, socket.SO_LINGER, struct.pack("@ii", 1, 5))
    c.send(fd, b"delivered")
    c.close(fd)
    assert peer.recv(100) == b"delivered"
    assert peer.recv(100) == b""


def reset_by_the_peer(c, port):
    peer, _, fd = accepted(c, port)
    peer.setsockopt(SOL, socket.SO_LINGER, RESET)
    peer.close()
    c.wait_poll(fd, select.POLLERR)
    c.poll(fd)
    c.recv(fd)
    c.recv(fd)
    c.send(fd, b"x")
    c.poll(fd)
    c.shutdown(fd, socket.SHUT_WR)
    c.close(fd)


def reset_after_half_close(c, port):
    peer, _, fd = accepted(c, port)
    peer.shutdown(socket.SHUT_WR)
    c.recv(fd)
    peer.setsockopt(SOL, socket.SO_LINGER, RESET)
    peer.close()
    c.wait_poll(fd, select.POLLERR)
    c.send(fd, b"x")
    c.send(fd, b"x")
    c.recv(fd)


def reset_then_so_error(c, port):
    peer, fd = connected(c, port)
    peer.setsockopt(SOL, socket.SO_LINGER, RESET)
    peer.close()
    c.wait_poll(fd, select.POLLERR)
    c.get(fd, SOL, socket.SO_ERROR)
    c.get(fd, SOL, socket.SO_ERROR)
    c.recv(fd)
    c.connect(fd, port)


def closed_with_unread_bytes(c, port):
    peer, _, fd = accepted(c, port)
    peer.sendall(b"unread")
    c.wait_unread(fd, 6)
    c.close(fd)
    with pytest.raises(ConnectionResetError):
        peer.recv(100)


def nonblocking_connect(c, port):
    listener = c.world.listener(c.family, port)
    fd = c.socket()
    c.nonblocking(fd)
    c.flags(fd)
    c.world.deaf(True)
    try:
        c.connect(fd, port)
        c.connect(fd, port)
        c.poll(fd)
        c.send(fd, b"x")
        c.recv(fd)
        c.amount(fd, SIOCINQ)
        c.amount(fd, SIOCOUTQ)
    finally:
        c.world.deaf(False)
    c.wait_poll(fd, select.POLLOUT)
    c.poll(fd)
    c.get(fd, SOL, socket.SO_ERROR)
    c.connect(fd, port)
    c.connect(fd, port)
    listener.accept()[0].close()


def nonblocking_connect_refused(c, port):
    fd = c.socket()
    c.nonblocking(fd)
    c.connect(fd, port)
    c.wait_poll(fd, select.POLLHUP)
    c.poll(fd)
    c.get(fd, SOL, socket.SO_ERROR)
    c.get(fd, SOL, socket.SO_ERROR)
    c.recv(fd)
    c.send(fd, b"x")
    c.connect(fd, port)
    c.connect(fd, port)


def would_block(c, port):
    peer, listening, fd = accepted(c, port)
    c.nonblocking(listening)
    c.accept(listening)
    c.recv(fd, 10, socket.MSG_DONTWAIT)
    c.flags(fd)
    c.nonblocking(fd)
    c.recv(fd)
    c.flags(fd)
    c.nonblocking(fd, False)
    c.flags(fd)
    peer.close()


def full_queue(c, port):
    peer, fd = connected(c, port)
    c.nonblocking(fd)
    total = 0
    while True:
        try:
            total += c.tool.call("send", fd, data=bytes(100_000))[0]
        except Failed as failed:
            # The peer's kernel takes its time to say how much it has room for.
            if c.tool.call("poll", a=300, data=struct.pack("@ihh", fd, select.POLLOUT, 0))[0]:
                continue
            c.note("send", str(failed))
            break
    c.poll(fd)
    c.note(c.tool.call("ioctl", fd, a=SIOCOUTQ)[1] != bytes(4))
    got = 0
    while got < total:
        got += len(peer.recv(1 << 20))
    wait_for("the last ACK", lambda: c.tool.call("ioctl", fd, a=SIOCOUTQ)[1] == bytes(4))
    c.poll(fd)


def blocking_calls(c, port):
    """A call that waits holds up no other caller."""
    peer, listening, fd = accepted(c, port)
    other = c.world.tool()
    other.begin("recv", fd, a=100)
    c.note(other.answered(0.2))
    c.send(fd, b"meanwhile")
    assert peer.recv(100) == b"meanwhile"
    peer.sendall(b"now")
    c.note(other.result())
    other.begin("accept", listening)
    c.note(other.answered(0.2))
    second = c.world.dial(c.family, port)
    c.note(len(other.result()[1]))
    other.begin("poll", a=-1, data=struct.pack("@ihh", fd, select.POLLIN, 0))
    c.note(other.answered(0.2))
    peer.sendall(b"x")
    c.note(other.result()[0])
    other.begin("recv", fd, a=3, b=socket.MSG_WAITALL)
    c.note(other.answered(0.2))
    peer.sendall(b"yz")
    c.note(other.result())
    other.close()
    second.close()


def peeked(c, port):
    peer, _, fd = accepted(c, port)
    peer.sendall(b"abcdef")
    c.wait_unread(fd, 6)
    c.recv(fd, 3, socket.MSG_PEEK)
    c.recv(fd, 100, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    c.amount(fd, SIOCINQ)
    c.recv(fd, 4)
    c.amount(fd, SIOCINQ)
    peer.close()
    c.recv(fd, 100, socket.MSG_WAITALL)
    c.recv(fd, 100, socket.MSG_PEEK)
    c.recv(fd, 100, socket.MSG_OOB)
    c.recv(fd, 0)


def unacknowledged(c, port):
    peer, fd = connected(c, port)
    c.world.deaf(True)
    try:
        c.send(fd, b"seven b")
        c.amount(fd, SIOCOUTQ)
        c.shutdown(fd, socket.SHUT_WR)
        c.amount(fd, SIOCOUTQ)
    finally:
        c.world.deaf(False)
    assert peer.recv(100) == b"seven b"
    wait_for("the last ACK", lambda: c.tool.call("ioctl", fd, a=SIOCOUTQ)[1] == bytes(4))
    c.amount(fd, SIOCOUTQ)


def fresh(c, port):
    fd = c.socket()
    c.recv(fd)
    c.send(fd, b"x")
    c.shutdown(fd, socket.SHUT_WR)
    c.accept(fd)
    c.poll(fd)
    c.amount(fd, SIOCINQ)
    c.amount(fd, SIOCOUTQ)
    c.amount(fd, 0x1234)
    c.get(fd, SOL, socket.SO_ERROR)
    c.get(fd, SOL, socket.SO_TYPE)
    c.get(fd, SOL, socket.SO_ACCEPTCONN)
    c.get(fd, TCP, socket.TCP_NODELAY)
    c.get(fd, TCP, socket.TCP_MAXSEG)
    c.get(fd, SOL, socket.SO_LINGER, 8)
    c.get(fd, SOL, socket.SO_LINGER, 4)
    c.get(fd, SOL, socket.SO_TYPE, 2)
    c.get(fd, SOL, 9999)
    c.get(fd, TCP, 9999)
    c.set(fd, SOL, 9999, 1)
    c.set(fd, TCP, 9999, 1)
    c.bind(fd, port)
    c.bind(fd, port)
    c.close(fd)


def wrong_descriptor(c, port):
    fd = 60_000
    c.bind(fd, port)
    c.listen(fd)
    c.accept(fd)
    c.connect(fd, port)
    c.recv(fd)
    c.send(fd, b"x")
    c.shutdown(fd, 0)
    c.close(fd)
    c.get(fd, SOL, socket.SO_ERROR)
    c.set(fd, SOL, socket.SO_REUSEADDR, 1)
    c.flags(fd)
    c.amount(fd, SIOCINQ)
    c.poll(fd)
    c.socket(family=socket.AF_INET, protocol=socket.IPPROTO_UDP)


def listening(c, port):
    fd = c.socket()
    c.bind(fd, port)
    c.listen(fd)
    c.listen(fd, 9)
    c.recv(fd)
    c.send(fd, b"x")
    c.connect(fd, port)
    c.amount(fd, SIOCINQ)
    c.amount(fd, SIOCOUTQ)
    c.poll(fd)
    c.get(fd, SOL, socket.SO_ACCEPTCONN)
    c.shutdown(fd, socket.SHUT_WR)
    peer = c.world.dial(c.family, port)
    c.wait_poll(fd, select.POLLIN)
    c.poll(fd)
    c.close(fd)
    with pytest.raises(ConnectionResetError):
        peer.recv(100)


def address_in_use(c, port):
    first, second = c.socket(), c.socket()
    c.bind(first, port)
    c.bind(second, port)
    c.set(second, SOL, socket.SO_REUSEADDR, 1)
    c.bind(second, port)
    c.set(first, SOL, socket.SO_REUSEADDR, 1)
    c.bind(second, port)
    c.listen(first)
    c.listen(second)
    third = c.socket()
    c.set(third, SOL, socket.SO_REUSEADDR, 1)
    c.bind(third, port)
    c.bind(third, port, AGENT[c.family])
    c.close(first)
    c.listen(second)


def bad_addresses(c, port):
    fd = c.socket()
    c.bind(fd, port, PEER[c.family])
    for data in (b"", b"\x02", sockaddr(c.family, AGENT[c.family], port)[:8]):
        for name in ("bind", "connect"):
            try:
                c.note(name, len(data), c.tool.call(name, fd, data=data)[0])
            except Failed as failed:
                c.note(name, len(data), str(failed))
    nowhere = {socket.AF_INET: "203.0.113.9", socket.AF_INET6: "2001:db8::9"}[c.family]
    c.connect(fd, port, nowhere)


def options(c, port):
    fd = c.socket()
    for value in (87, 88, 700, 32768, 0):
        c.set(fd, TCP, socket.TCP_MAXSEG, value)
        c.get(fd, TCP, socket.TCP_MAXSEG)
    c.set(fd, TCP, socket.TCP_MAXSEG, b"\x01")
    c.set(fd, TCP, socket.TCP_MAXSEG, 700)
    c.set(fd, TCP, socket.TCP_NODELAY, 5)
    c.get(fd, TCP, socket.TCP_NODELAY)
    c.set(fd, SOL, socket.SO_REUSEADDR, 7)
    c.get(fd, SOL, socket.SO_REUSEADDR)
    c.set(fd, SOL, socket.SO_LINGER, b"1234567")
    for option, values in ((socket.TCP_KEEPIDLE, (0, 5, 40_000)), (socket.TCP_KEEPINTVL, (0, 7)),
                           (socket.TCP_KEEPCNT, (0, 3, 300)), (socket.TCP_SYNCNT, (4, 0, 300)),
                           (socket.TCP_USER_TIMEOUT, (-1, 4000))):
        for value in values:
            c.set(fd, TCP, option, value)
            c.get(fd, TCP, option)
    listener = c.world.listener(c.family, port)
    c.connect(fd, port)
    peer, _ = listener.accept()
    c.get(fd, TCP, socket.TCP_MAXSEG)
    c.get(fd, TCP, socket.TCP_NODELAY)
    c.note(peer.getsockopt(TCP, socket.TCP_MAXSEG))


def info(c, port):
    def note(fd):
        raw = c.tool.call("getsockopt", fd, a=TCP, b=socket.TCP_INFO, c=104)[1]
        state, retransmits, agreed = raw[0], raw[2], raw[5] & 7
        c.note(len(raw), state, retransmits, agreed, struct.unpack_from("@I", raw, 16)[0])
    fd = c.socket()
    c.note(c.tool.call("getsockopt", fd, a=TCP, b=socket.TCP_INFO, c=1))
    peer, listening_fd, fd = accepted(c, port)
    note(fd)
    c.note(c.tool.call("getsockopt", listening_fd, a=TCP, b=socket.TCP_INFO, c=1))
    c.shutdown(fd, socket.SHUT_WR)
    assert peer.recv(100) == b""
    wait_for("the last ACK", lambda: c.tool.call("ioctl", fd, a=SIOCOUTQ)[1] == bytes(4))
    note(fd)
    peer.close()
    c.recv(fd)
    c.note(c.tool.call("getsockopt", fd, a=TCP, b=socket.TCP_INFO, c=1))


def disconnected(c, port):
    peer, fd = connected(c, port)
    c.note(c.tool.call("connect", fd, data=bytes(16))[0])
    with pytest.raises(ConnectionResetError):
        peer.recv(100)
    listener = c.world.listener(c.family, port + 500)
    c.connect(fd, port + 500)
    listener.accept()[0].close()


def the_tool_goes(c, port):
    peer, listening_fd, _ = accepted(c, port)
    del listening_fd
    c.tool.close()
    with pytest.raises(ConnectionResetError):
        peer.recv(100)

    def refuses():
        try:
            c.world.dial(c.family, port).close()
        except ConnectionRefusedError:
            return True
        return False
    c.note(wait_for("the port to be closed", refuses))


SCENARIOS = [refused, echo, active_echo, half_close, half_closed_by_the_peer, shut_reading,
             linger_zero, timed_linger, reset_by_the_peer, reset_after_half_close,
             reset_then_so_error, closed_with_unread_bytes, nonblocking_connect,
             nonblocking_connect_refused, would_block, full_queue, blocking_calls, peeked,
             unacknowledged, fresh, wrong_descriptor, listening, address_in_use, bad_addresses,
             options, info, disconnected, the_tool_goes]


@pytest.fixture(scope="module")
def worlds(shared_lab):
    return millrace_world(shared_lab), kernel_world(shared_lab)


def play(world, family, scenario):
    caller = Caller(world, family)
    first = {socket.AF_INET: 2000, socket.AF_INET6: 2100}[family]
    scenario(caller, first + SCENARIOS.index(scenario))
    caller.tool.close()
    return caller.log


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.__name__)
def test_same_as_the_kernel(worlds, scenario, family):
    ours, kernels = (play(world, FAMILIES[family], scenario) for world in worlds)
    assert len(ours) > 1 or scenario is the_tool_goes
    assert ours == kernels


def test_as_outside_tools_start_it(lab):
    """A tool's usual addresses: ours, and a network behind a route that leads onto the link."""
    peer = lab.namespace("tool")
    path = str(lab.folder / "agent.socket")
    process = peer.start(program("socket_agent"), "--device", "net_tap0,iface=mr0", "--address",
                         "192.168.0.1/16", "--route", "192.0.2.0/24", "--socket", path,
                         "--cores", core(0))
    settle_tap(peer, "mr0", process)
    give_addresses(peer, "mr0", "192.168.0.2/16", "192.0.2.1/24")
    wait_for("the agent", lambda: "ready" in process.text())
    with peer.entered():
        listener = socket.create_server(("192.0.2.1", 8080))
    listener.settimeout(10)
    c = Caller(World(path, peer), socket.AF_INET)
    fd = c.socket()
    assert c.connect(fd, 8080, "192.0.2.1") == 0, c.log
    one, (address, _) = listener.accept()
    assert address == "192.168.0.1"
    one.sendall(b"hello")
    assert c.recv(fd, 5, socket.MSG_WAITALL) == b"hello"
    assert process.stop() == 130
