"""Writers of files of points, for tests."""

import struct

import numpy as np

KINDS = {'f': 'F', 'i': 'I', 'u': 'U'}


def pcd(points: np.ndarray, storage: str) -> bytes:
    """A ``.pcd`` file of (N,) points with named fields."""
    fields = points.dtype.names
    types = [points.dtype[name] for name in fields]
    header = (
        f'# .PCD v0.7\nVERSION 0.7\nFIELDS {" ".join(fields)}\nSIZE {" ".join(str(t.itemsize) for t in types)}\n'
        f'TYPE {" ".join(KINDS[t.kind] for t in types)}\nCOUNT {" ".join("1" for _ in fields)}\nWIDTH {len(points)}\n'
        f'HEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {len(points)}\nDATA {storage}\n'
    )
    if storage == 'ascii':
        body = '\n'.join(' '.join(repr(value) for value in point.tolist()) for point in points).encode()
    elif storage == 'binary':
        body = points.tobytes()
    else:
        raw = b''.join(np.ascontiguousarray(points[name]).tobytes() for name in fields)
        packed = lzf(raw)
        body = struct.pack('<II', len(packed), len(raw)) + packed
    return header.encode() + body


def lzf(raw: bytes) -> bytes:
    """Compress: literal runs, and references to the latest place where the next three bytes occurred."""
    packed, literals, seen, at = bytearray(), bytearray(), {}, 0

    def flush():
        for start in range(0, len(literals), 32):
            run = literals[start : start + 32]
            packed.extend([len(run) - 1, *run])
        literals.clear()

    while at < len(raw):
        source = seen.get(raw[at : at + 3])
        seen[raw[at : at + 3]] = at
        if source is None or at - source > 8191 or at + 3 > len(raw):
            literals.append(raw[at])
            at += 1
            continue
        length = 3
        while length < 264 and at + length < len(raw) and raw[source + length] == raw[at + length]:
            length += 1
        flush()
        back, count = at - source - 1, length - 2
        packed.extend([(min(count, 7) << 5) | (back >> 8), *([count - 7] if count >= 7 else []), back & 255])
        at += length
    flush()
    return bytes(packed)


def las(xyz: np.ndarray, intensity: np.ndarray, times: np.ndarray, minor: int = 2) -> bytes:
    """A ``.las`` file of format 1 (version 1.2) or 6 (version 1.4), coordinates in whole millimetres."""
    point_format, length, header = (1, 28, 227) if minor < 4 else (6, 30, 375)
    content = bytearray(header)
    content[:4], content[24], content[25] = b'LASF', 1, minor
    struct.pack_into('<H', content, 94, header)
    struct.pack_into('<I4xBHI', content, 96, header, point_format, length, len(xyz) if minor < 4 else 0)
    struct.pack_into('<6d', content, 131, 0.001, 0.001, 0.001, 100.0, 0.0, -5.0)
    if minor >= 4:
        struct.pack_into('<Q', content, 247, len(xyz))
    for point, bright, time in zip(np.rint((xyz - [100, 0, -5]) * 1000).astype(int), intensity, times, strict=True):
        record = bytearray(length)
        struct.pack_into('<3iH', record, 0, *point.tolist(), int(bright))
        struct.pack_into('<d', record, 20 if minor < 4 else 22, time)
        content += record
    return bytes(content)
