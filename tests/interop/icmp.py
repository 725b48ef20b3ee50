# SPDX-License-Identifier: BSD-3-Clause
"""Echo requests from the kernel's side, without a ping program."""
import os
import socket
import struct
import time


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def echo(namespace, address, payload=b"x" * 56, sequence=1, timeout=2.0):
    """The payload of the reply to an echo request, or None if there was none in time."""
    six = ":" in address
    request, reply = (128, 129) if six else (8, 0)
    ident = os.getpid() & 0xFFFF
    message = struct.pack("!BBHHH", request, 0, 0, ident, sequence) + payload
    if not six:  # the kernel fills in ICMPv6 checksums, and no others
        message = message[:2] + struct.pack("!H", checksum(message)) + message[4:]
    with namespace.entered():
        one = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW,
                            socket.getprotobyname("ipv6-icmp" if six else "icmp"))
    with one:
        one.sendto(message, (address, 0))
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            one.settimeout(left)
            try:
                got, sender = one.recvfrom(65_535)
            except TimeoutError:
                return None
            if not six:
                got = got[(got[0] & 15) * 4:]
            kind, _, _, their, number = struct.unpack("!BBHHH", got[:8])
            if (kind, their, number, sender[0]) == (reply, ident, sequence, address):
                return got[8:]
    return None
