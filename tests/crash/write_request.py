"""Remote write 1.0 bodies from nothing: just enough protobuf, and snappy without compression.

Formats: prometheus/prompb (types.proto, remote.proto); google/snappy, format_description.txt."""

import struct


def varint(n):
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def _field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def time_series(labels, samples):
    """`labels` name → value; `samples` (milliseconds, value) in order of time."""
    out = b""
    for name in sorted(labels):
        out += _field(1, _field(1, name.encode()) + _field(2, labels[name].encode()))
    for t, v in samples:
        out += _field(2, b"\x09" + struct.pack("<d", v) + b"\x10" + varint(t))
    return out


def write_request(series):
    """A WriteRequest of encoded time series."""
    return b"".join(_field(1, s) for s in series)


def snappy(data):
    """One block of literals."""
    out = bytearray(varint(len(data)))
    for at in range(0, len(data), 65536):
        piece = data[at:at + 65536]
        out.append(61 << 2)  # a literal whose length less one stands in two bytes
        out += struct.pack("<H", len(piece) - 1)
        out += piece
    return bytes(out)
