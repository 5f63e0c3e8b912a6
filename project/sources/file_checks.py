"""Checks that readable files are what they should be: whole sweeps with the stated columns, images of the stated
size."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from project.errors import UserError
from project.sources.base import PointLayout, Scene
from project.storage.mounts import at_hand, sizes_of

ROWS = 4096
"""Number of points that are used to check the columns of a file."""

NEIGHBOURS = 3
"""Number of sweeps on either side that a sweep is compared with."""

LEAST_SHARE = 0.5
"""Least size of a file of points as a share of its neighbours' size: a lidar does not suddenly see less."""

SPREAD = 4
"""A file whose size is this many times as far from those of its neighbours as they are from one another was cut off."""

LEAST_DIFFERENCE = 0.05
"""Smaller differences from the neighbours' median, in parts of it, are never judged."""

_FARTHEST_M = 2000.0
_RINGS = 4096


def check_files(scene: Scene) -> list[str]:
    """Check that no file of points is much smaller than its neighbours, as a cut-off file is, and the size of images.

    Images are checked at the first keyframe. Missing files are skipped.

    Returns:
        The files of points that do not exist, in no order.

    Raises:
        UserError: a file is not as it should be; the message names it.
    """
    missing = []
    for lidar in range(len(scene.rig.lidars)):
        sweeps = range(len(scene.sweep_files)) if scene.lidars is None else np.flatnonzero(scene.lidars == lidar)
        root = os.fspath(scene.dataroot)
        missing += _check_sizes([os.path.join(root, scene.sweep_files[sweep]) for sweep in sweeps])
    for camera in scene.records[0].cameras.values() if scene.records else ():
        _check_image(scene.dataroot / camera.file, camera.size_px)
    return missing


def _check_sizes(paths: list[str]) -> list[str]:
    """Check the sizes of files; returns those that do not exist."""
    sizes = np.array(list(sizes_of(paths)))
    # Usually all are alike, which is quick to check.
    there = sizes[sizes >= 0]
    missing = [paths[i] for i in np.flatnonzero(sizes < 0)]
    if not len(there) or there.min() > (1 - LEAST_DIFFERENCE) * there.max():
        return missing
    for i, size in enumerate(sizes):
        near = np.delete(sizes[max(i - NEIGHBOURS, 0) : i + NEIGHBOURS + 1], min(i, NEIGHBOURS))
        near = near[near >= 0]
        if 0 <= size < _least_size(near):
            share = f'{100 * size / np.median(near):.0f} %'
            raise UserError(
                f'{paths[i]}: has {size} bytes, {share} of what the sweeps before and after it have; it is cut off: '
                'copy or download it again, or take it out of the recording'
            )
    return missing


def _least_size(near: np.ndarray) -> float:
    """Size below which a sweep is not whole, given those of its neighbours."""
    if not len(near):
        return 0.0
    median = float(np.median(near))
    if len(near) < NEIGHBOURS:
        return LEAST_SHARE * median
    # Neighbours that are cut off themselves must not widen what is usual.
    usual = near[near >= LEAST_SHARE * median]
    below = max(SPREAD * float(usual.max() - usual.min()), LEAST_DIFFERENCE * median)
    return max(LEAST_SHARE * median, float(usual.min()) - below)


def _check_image(file: Path, size_px: tuple[int, int] | None) -> None:
    if size_px is None:
        return
    at_hand(file)
    if not file.is_file():
        return
    try:
        with Image.open(file) as image:
            found = image.size
    except OSError:
        # Labels need no images; training reports those that cannot be read.
        return
    if found != tuple(size_px):
        raise UserError(
            f'{file}: has {found[0]}x{found[1]} pixels, and its calibration is of {size_px[0]}x{size_px[1]}; change '
            'width, height and camera_intrinsic with the size of the images'
        )


def check_columns(file: object, content: bytes, points: np.ndarray, layout: PointLayout) -> None:
    """Check that headerless points of float32 have the expected columns, if one of these is the ring.

    The ring is a whole number; numbers in other columns are not. If the file fits another number of columns or another
    type, the layout is wrong.

    Args:
        file: name of the file.
        content: what is in it.
        points: (N, C) the numbers read with `layout`.
        layout: the expected layout.

    Raises:
        UserError: the file has other columns.
    """
    if 'ring' not in layout.columns or layout.dtype != 'float32':
        return
    if _are_rings(points[:ROWS, layout.columns.index('ring')]):
        return
    check_other_layouts(file, content, layout)
    with np.errstate(invalid='ignore'):
        near = (np.abs(points[:ROWS, :3]) < _FARTHEST_M).all(axis=1)
    if near.mean() < 0.5:
        raise UserError(f'{file}: {100 * (1 - near.mean()):.0f} % of its points are invalid; the download is damaged')


def check_other_layouts(file: object, content: bytes, layout: PointLayout) -> None:
    """Raise a UserError where another number of columns or type explains a headerless file; see above."""
    for dtype, columns in _other_layouts(content):
        raise UserError(
            f'{file}: holds points of {columns} columns of {dtype}, not of the {len(layout.columns)} columns of '
            f'{layout.dtype} {", ".join(layout.columns)}; name its columns, with --point_columns or in the rig'
        )


def _other_layouts(content: bytes) -> Iterator[tuple[str, int]]:
    """Types and numbers of columns with which the content can be points with intensity."""
    for dtype, counts in (('float32', (4, 6, 7)), ('float64', (4, 5, 6))):
        for count in counts:
            if len(content) % (np.dtype(dtype).itemsize * count) == 0:
                points = np.frombuffer(content, dtype)[: ROWS * count].reshape(-1, count)
                if _can_be(points):
                    yield dtype, count


def _can_be(points: np.ndarray) -> bool:
    with np.errstate(invalid='ignore'):
        near = (np.abs(points[:, :3]) < _FARTHEST_M).all(axis=1)
    intensity = points[near, 3]
    if near.mean() < 0.5 or not (intensity >= 0).all():
        return False
    with np.errstate(invalid='ignore'):
        whole = (intensity == np.rint(intensity)) & (intensity < 1 << 16)
    bright = (intensity <= 1).all() or whole.all()
    return bool(bright) and (points.shape[1] == 4 or _are_rings(points[near, 4]))


def _are_rings(column: np.ndarray) -> bool:
    """Whether numbers can be numbers of beams; -1 stands for none."""
    with np.errstate(invalid='ignore'):
        return bool(((column == np.rint(column)) & (column >= -1) & (column < _RINGS)).all())
