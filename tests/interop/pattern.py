# SPDX-License-Identifier: BSD-3-Clause
"""The bytes of /bytes/N and /chunked/N, as the server documents them: byte i is i mod 251."""

_PERIOD = 251
_TABLE = bytes(range(_PERIOD)) * (2 + (1 << 21) // _PERIOD)
_LONGEST = len(_TABLE) - _PERIOD


def pattern(offset, length):
    """That many bytes of the endless pattern, from that offset on."""
    start = offset % _PERIOD
    if length <= _LONGEST:
        return _TABLE[start:start + length]
    return (_TABLE[start:start + _PERIOD] * (1 + length // _PERIOD))[:length]


def matches(data, offset):
    """Whether these bytes are the body's from that offset on."""
    return data == pattern(offset, len(data))
