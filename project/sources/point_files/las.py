"""Points of a ``.las`` file (ASPRS LAS 1.0 to 1.4), not compressed."""

import struct
from pathlib import Path

import numpy as np

from project.errors import UserError

_GPS_TIME_AT = {1: 20, 3: 20, 4: 20, 5: 20, 6: 22, 7: 22, 8: 22, 9: 22, 10: 22}
"""Offset of the time in a point, for the point formats that have one."""

_CLASSIFICATION_AT = {**dict.fromkeys(range(6), 15), **dict.fromkeys(range(6, 11), 16)}


def read_las(file: Path, content: bytes) -> dict[str, np.ndarray]:
    """Columns of a file.

    Args:
        file: its name, for messages.
        content: what is in it.

    Returns:
        ``x``, ``y``, ``z``: (N,) float64 metres; ``intensity``: (N,) uint16; ``classification``: (N,) uint8, and
        ``time``: (N,) float64 seconds where the points have one.

    Raises:
        ValueError: the file is damaged, or compressed; the message names it.
    """
    if content[:4] != b'LASF' or len(content) < 227:
        raise UserError(f'{file}: is not a .las file')
    minor = content[25]
    start, point_format, length, count = struct.unpack_from('<I4xBHI', content, 96)
    if point_format & 0x80 or file.suffix.lower() == '.laz':
        raise UserError(f'{file}: is compressed; unpack it first (laszip, or laspy with lazrs)')
    if minor >= 4:
        count = struct.unpack_from('<Q', content, 247)[0]
    if point_format not in _CLASSIFICATION_AT or len(content) < start + count * length:
        raise UserError(f'{file}: ends before the last of its {count} points, or has points of an unknown format')
    scale, offset = np.array(struct.unpack_from('<6d', content, 131)).reshape(2, 3)
    fields = {'X': ('<i4', 0), 'Y': ('<i4', 4), 'Z': ('<i4', 8), 'intensity': ('<u2', 12)}
    fields['classification'] = ('u1', _CLASSIFICATION_AT[point_format])
    if point_format in _GPS_TIME_AT:
        fields['time'] = ('<f8', _GPS_TIME_AT[point_format])
    formats, offsets = zip(*fields.values(), strict=True)
    dtype = np.dtype({'names': list(fields), 'formats': formats, 'offsets': offsets, 'itemsize': length})
    points = np.frombuffer(content, dtype, count, start)
    columns = {
        name: points[axis] * scale[i] + offset[i] for i, (name, axis) in enumerate(zip('xyz', 'XYZ', strict=True))
    }
    return columns | {name: points[name] for name in fields if name not in 'XYZ'}
