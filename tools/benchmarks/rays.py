"""Time of the rays of a frame: 14,040 rays from each of 8 origins through Occ3D's grid."""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from project.evaluation.protocols import Volume, build_protocol
from project.evaluation.rays import cast_rays
from project.formats import occ3d
from project.taxonomy import FREE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Command line of this benchmark."""
    parser.add_argument('--labels', help='a label file of Occ3D; by default a made street')
    parser.add_argument('--repeats', type=int, default=10, metavar='N', help='the fastest of N counts (%(default)s)')


def run(args: argparse.Namespace) -> dict[str, float]:
    """Print and return milliseconds a frame; on a GPU, where there is one, beside one CPU thread."""
    semantics = occ3d.read(args.labels).dense() if args.labels else _street()
    origins = np.stack([np.linspace(-38, 38, 8), np.linspace(-1, 1, 8), np.full(8, 1.84)], axis=1)
    protocol = build_protocol('rayiou')
    volume = Volume(semantics)
    truth = protocol.prepare(volume, origins)
    occupied = semantics != FREE
    cast = {'cast, one CPU thread': lambda: cast_rays(occupied, occ3d.GRID, origins, protocol.directions)}
    if torch.cuda.is_available():
        on_gpu = torch.from_numpy(occupied).cuda()
        cast[f'cast, {torch.cuda.get_device_name()}'] = lambda: cast_rays(
            on_gpu, occ3d.GRID, origins, protocol.directions
        )
        _check_equal(*cast.values())
    cast['cast and count, one CPU thread'] = lambda: protocol.count(volume, truth, origins)
    figures = {name: _milliseconds(work, args.repeats) for name, work in cast.items()}
    table = Table(title=f'{len(origins)} x {len(protocol.directions)} rays', title_style='')
    table.add_column('step')
    table.add_column('ms a frame', justify='right')
    for name, figure in figures.items():
        table.add_row(name, f'{figure:.2f}')
    Console().print(table)
    return figures


def _milliseconds(work: Callable[[], object], repeats: int) -> float:
    """Fastest of some runs after one that compiles; every work here ends with its result on the CPU."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1000 * min(times)


def _check_equal(cpu: Callable, gpu: Callable) -> None:
    for ours, other in zip(cpu(), gpu(), strict=True):
        np.testing.assert_array_equal(ours, other)


def _street() -> np.ndarray:
    """(200, 200, 16) uint8: ground, two rows of houses, cars and trees."""
    rng = np.random.default_rng(0)
    semantics = np.full(occ3d.GRID.shape, FREE, np.uint8)
    semantics[:, :, 1] = 11
    semantics[:, 150:155, 1:] = semantics[:, 45:50, 1:] = 15
    for x, y in rng.integers(20, 180, (25, 2)):
        semantics[x : x + 11, y : y + 5, 2:6] = 4
    for x, y in rng.integers(0, 195, (60, 2)):
        semantics[x : x + 4, y : y + 4, 2:14] = 16
    return semantics
