# SPDX-License-Identifier: BSD-3-Clause
"""Reads HdrHistogram logs, written from the description of the format and from nothing of ours."""
import base64
import struct
import zlib

PLAIN, COMPRESSED = 0x1C849313, 0x1C849314


def _numbers(data):
    """ZigZag LEB128: seven bits a byte, but all eight of a ninth."""
    at = 0
    while at < len(data):
        value = shift = 0
        for place in range(9):
            byte = data[at]
            at += 1
            value |= (byte if place == 8 else byte & 0x7F) << shift
            shift += 7
            if place < 8 and byte < 0x80:
                break
        yield (value >> 1) ^ -(value & 1)


def _lowest(index, digits, least):
    """The least value of a bin: 2 * 10^digits values by ones, rounded up to a power of two."""
    assert least == 1
    sub_buckets = 1 << (2 * 10 ** digits - 1).bit_length()
    half = sub_buckets // 2
    if index < sub_buckets:
        return index
    return (index % half + half) << (index // half - 1)


def decode(text):
    """{lowest value of a bin: count}"""
    packed = base64.b64decode(text, validate=True)
    cookie, length = struct.unpack_from(">II", packed)
    assert cookie == COMPRESSED and length == len(packed) - 8
    plain = zlib.decompress(packed[8:])
    cookie, length, offset, digits, least, _most, ratio = struct.unpack_from(">IIIIQQd", plain)
    assert (cookie, offset, ratio) == (PLAIN, 0, 1.0) and length == len(plain) - 40
    counts, index = {}, 0
    for number in _numbers(plain[40:]):
        if number < 0:
            index -= number
            continue
        counts[_lowest(index, digits, least)] = number
        index += 1
    return counts


def read(path):
    """(when the log starts, [(tag, start, length, greatest in ms, {lowest value: count})])"""
    started, lines = None, []
    for line in path.read_text().splitlines():
        if line.startswith("#[StartTime: "):
            started = float(line.split()[1])
        if not line.startswith("Tag="):
            assert line.startswith(("#", '"StartTimestamp"')), line
            continue
        tag, start, length, most, text = line.split(",")
        lines.append((tag[4:], float(start), float(length), float(most), decode(text)))
    return started, lines
