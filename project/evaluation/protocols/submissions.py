"""Files in which methods hand in predictions: a dense array a keyframe, or the rays of all keyframes in one file."""

import gzip
import pickle
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from project.evaluation.protocols.interface import RayReadings, Volume
from project.formats import openocc, predictions
from project.formats.common import named_errors, save_npz, written_whole
from project.formats.pickles import load_plain
from project.grid import VoxelGrid

ABOUT = ('method', 'team', 'authors', 'e-mail', 'institution / company', 'country / region')
"""Fields of an OpenOcc submission besides its results."""

_LARGEST_BYTES, _LARGEST_RATIO, _PIECE = 1 << 30, 100, 1 << 20
"""An archive that unpacks to more than both is no submission: rays shrink to a third or a tenth."""


def read_dense(path: Path, grid: VoxelGrid, openocc_classes: bool = False) -> Volume:
    """Read the prediction of a keyframe, which must be on a grid; see :func:`project.formats.predictions.read`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or its prediction is of another shape or holds other labels.
    """
    labels, flow, instances = predictions.read(path, openocc_classes)
    if labels.shape != grid.shape:
        raise ValueError(
            f'{path}: holds voxels of shape {labels.shape}; this protocol scores {grid.shape}: '
            'choose the protocol of this grid, or predict on the grid of the protocol'
        )
    return Volume(labels, flow, instances=instances)


def write_dense(path: Path, volume: Volume, name: str = 'arr_0', openocc_classes: bool = False) -> None:
    """Write the prediction of a keyframe so that :func:`read_dense` and the benchmarks' own scripts read it."""
    labels = openocc.CLASS_OF_LABEL[volume.semantics] if openocc_classes else np.asarray(volume.semantics, np.uint8)
    save_npz(path, {name: labels, 'flow': volume.flow, 'instances': volume.instances})


def read_rays(path: Path) -> dict[str, RayReadings]:
    """Read an OpenOcc submission: the rays of each keyframe by sample token.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged or holds something else.
    """
    with named_errors(path, 'an OpenOcc submission (gzip, pickle)'):
        with _unpacked(path) as file:
            content = load_plain(file)
        results = content.get('results') if isinstance(content, dict) else None
        if not isinstance(results, dict):
            raise ValueError('it holds no "results"')
        return {token: _readings(token, rays) for token, rays in results.items()}


def write_rays(path: Path, frames: Iterable[tuple[str, RayReadings]], about: Mapping[str, str] | None = None) -> None:
    """Write an OpenOcc submission.

    Args:
        path: the file, by habit ``....gz``; written aside and renamed.
        frames: sample token and rays of each keyframe.
        about: values for :data:`ABOUT`; empty where not given.
    """
    results = {}
    for token, rays in frames:
        flow = np.zeros((len(rays.classes), 2)) if rays.flow is None else rays.flow
        results[token] = {
            'pcd_cls': openocc.CLASS_OF_LABEL[rays.classes],
            'pcd_dist': rays.depths.astype(np.float16),
            'pcd_flow': flow.astype(np.float16),
        }
    content = {**dict.fromkeys(ABOUT, ''), **(about or {}), 'results': results}
    with written_whole(path) as file, gzip.GzipFile('', 'wb', 6, file, mtime=0) as packed:
        pickle.dump(content, packed, protocol=4)


@contextmanager
def _unpacked(path: Path) -> Iterator[BinaryIO]:
    """Content of a gzip in a temporary file."""
    largest = max(_LARGEST_BYTES, _LARGEST_RATIO * path.stat().st_size)
    with gzip.open(path) as packed, tempfile.TemporaryFile() as file:
        while piece := packed.read(_PIECE):
            file.write(piece)
            if file.tell() > largest:
                raise ValueError(f'it unpacks to more than {largest >> 20} MiB, which no submission does')
        file.seek(0)
        yield file


def _readings(token: str, rays: dict) -> RayReadings:
    missing = [name for name in ('pcd_cls', 'pcd_dist', 'pcd_flow') if name not in rays]
    if missing:
        raise ValueError(f'keyframe {token} has no {", ".join(missing)}')
    classes, depths, flow = rays['pcd_cls'], rays['pcd_dist'], rays['pcd_flow']
    if classes.ndim != 1 or depths.shape != classes.shape or flow.shape != (*classes.shape, 2):
        shapes = classes.shape, depths.shape, flow.shape
        raise ValueError(
            f'keyframe {token}: pcd_cls, pcd_dist, pcd_flow have the shapes {shapes}, not (R,), (R,), (R, 2)'
        )
    if classes.size and (classes.min() < 0 or classes.max() >= len(openocc.LABEL_OF_CLASS)):
        raise ValueError(f'keyframe {token}: pcd_cls holds other values than the classes 0-16')
    labels = openocc.LABEL_OF_CLASS[classes.astype(np.int64)]
    return RayReadings(labels, depths.astype(np.float32), flow.astype(np.float32))
