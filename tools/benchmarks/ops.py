"""Speed of the operators on a GPU: each backend, forward and with its backward pass."""

import argparse
from collections.abc import Callable
from functools import partial

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from project.grid import VoxelGrid
from project.models.camera_rays import DepthBins
from project.models.ops.deformable_attention import ATTENTION, deformable_attention
from project.models.ops.deformable_convolution import CONVOLUTION, deformable_convolution
from project.models.ops.pull import PULL, Space, pull
from project.models.ops.splat import SPLAT, splat
from project.models.ops.warp import WARP, warp
from tools.benchmarks._rig import lidar2img

MAPS = ((116, 200), (58, 100), (29, 50), (15, 25))
"""Rows and columns of the features of a 928 x 1600 image, strides 8 to 64."""

CONVOLUTIONS = {
    'convolution 256x58x100': (256, 58, 100),
    'convolution 512x29x50': (512, 29, 50),
}
"""Channels, rows and columns of the layers that a ResNet-101 with deformable stages has, 23 and 3 of them."""

SPACE = Space(
    VoxelGrid.from_range('lidar', (-51.2, -51.2, -5.0, 51.2, 51.2, 3.0), (1.024, 1.024, 0.25)),
    DepthBins(1.0, 64.0, 64),
    (256, 704),
)
"""Voxels, depths and images of ``config/occupancy_lift.py``, which looks at four heights in each voxel."""

LIFTED = (32, 88, 64, 2)
"""Rows, columns, channels and groups of its feature maps."""

VOXELS = VoxelGrid.from_range('lidar', (-51.2, -51.2, -5.0, 51.2, 51.2, 3.0), (1.024, 1.024, 1.0))
"""Its voxels themselves."""

CLIP = 8, 6, 24
"""Keyframes of a batch, earlier frames of each and channels of their volumes in ``config/occupancy_lift_clips.py``."""

DTYPES = {'float32': torch.float32, 'bfloat16': torch.bfloat16}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Command line of this benchmark."""
    parser.add_argument('--cameras', type=int, default=6, metavar='N', help='images at a time (%(default)s)')
    parser.add_argument('--queries', type=int, default=2400, metavar='N', help='queries an image (%(default)s)')
    parser.add_argument('--offsets', type=float, default=1, metavar='PX', help='spread of the offsets (%(default)s px)')
    parser.add_argument('--repeats', type=int, default=50, metavar='N', help='timed runs, after warm-up (%(default)s)')


def run(args: argparse.Namespace) -> dict:
    """Print and return median milliseconds of each operator, dtype and backend, forward and with backward.

    With them come the megabytes that a forward pass must move at the least, each input read and each output written
    once, and the rate at which the device copies.

    Raises:
        SystemExit: there is no GPU.
    """
    if not torch.cuda.is_available():
        raise SystemExit('tools/benchmark.py ops measures kernels on a GPU, and torch sees none here')
    torch.manual_seed(0)
    table = Table(title=f'{torch.cuda.get_device_name()}, torch {torch.__version__}, milliseconds', title_style='')
    for name in ('operator', 'dtype', 'backend', 'forward', 'with backward', 'ratio'):
        table.add_column(name, justify='left' if name in ('operator', 'dtype', 'backend') else 'right')
    figures = {'copy, GB/s': _bandwidth(args.repeats)}
    for operator, available, inputs, compute in _problems(args):
        for dtype in DTYPES:
            slowest = None
            for backend in reversed(available):
                times = _measure(partial(compute, backend=backend), inputs(DTYPES[dtype]), args.repeats)
                figures[f'{operator}, {dtype}, {backend}'] = times
                slowest = slowest or times['with backward']
                ratio = slowest / times['with backward']
                forward, both = times['forward'], times['with backward']
                table.add_row(operator, dtype, backend, f'{forward:.3f}', f'{both:.3f}', f'{ratio:.1f}x')
            table.add_section()
    Console().print(table)
    return figures


def _problems(args: argparse.Namespace) -> list[tuple[str, list[str], Callable, Callable]]:
    """Of each operator its name, its backends, what makes its inputs, and the operator."""
    problems = [
        (
            name,
            CONVOLUTION.available('cuda'),
            partial(_convolution_inputs, args.cameras, shape, args.offsets),
            _convolve,
        )
        for name, shape in CONVOLUTIONS.items()
    ]
    attention = partial(_attention_inputs, args.cameras, args.queries)
    lifted = partial(_lifted_inputs, args.cameras)
    return [
        *problems,
        ('attention', ATTENTION.available('cuda'), attention, _attend),
        ('pull', PULL.available('cuda'), lifted, partial(_lift, pull)),
        ('splat', SPLAT.available('cuda'), lifted, partial(_lift, splat)),
        ('warp', WARP.available('cuda'), _clip_inputs, _remember),
    ]


def _convolve(*inputs: Tensor, backend: str) -> Tensor:
    return deformable_convolution(*inputs, padding=1, backend=backend)


def _attend(value: Tensor, locations: Tensor, weights: Tensor, backend: str) -> Tensor:
    return deformable_attention(value, MAPS, locations, weights, backend)


def _convolution_inputs(images: int, shape: tuple[int, int, int], spread: float, dtype: torch.dtype) -> list[Tensor]:
    """Features, offsets, mask and weight of a 3x3 layer, channels last as a network in that layout has them."""
    channels, *size = shape
    layout = {'device': 'cuda', 'memory_format': torch.channels_last}
    features = torch.randn(images, *shape).to(dtype=dtype, **layout)
    offset = (spread * torch.randn(images, 18, *size)).to(**layout)
    mask = torch.rand(images, 9, *size).to(**layout)
    weight = (torch.randn(channels, channels, 3, 3) / (9 * channels) ** 0.5).to(dtype=dtype, **layout)
    return [each.requires_grad_() for each in (features, offset, mask, weight)]


def _attention_inputs(images: int, queries: int, dtype: torch.dtype) -> list[Tensor]:
    """Values, locations and weights of 8 heads with 32 points a level and 32 channels."""
    pixels = sum(rows * columns for rows, columns in MAPS)
    value = torch.randn(images, pixels, 8, 32, device='cuda', dtype=dtype)
    locations = torch.rand(images, queries, 8, len(MAPS), 32, 2, device='cuda')
    weights = torch.rand(images, queries, 8, len(MAPS), 32, device='cuda') / 64
    return [each.requires_grad_() for each in (value, locations, weights)]


def _lift(operator: Callable[..., Tensor], features: Tensor, weights: Tensor, backend: str) -> Tensor:
    matrices = torch.from_numpy(lidar2img(SPACE.image_shape)).float().cuda()[None, : features.shape[1]]
    return operator(features, weights, matrices, SPACE, backend=backend)


def _lifted_inputs(cameras: int, dtype: torch.dtype) -> list[Tensor]:
    """Features of pixels, and their weights at each depth."""
    rows, columns, channels, groups = LIFTED
    features = torch.randn(1, cameras, rows, columns, channels, device='cuda', dtype=dtype)
    weights = torch.rand(1, cameras, rows, columns, groups, SPACE.bins.count, device='cuda', dtype=dtype)
    return [each.requires_grad_() for each in (features, weights)]


def _clip_inputs(dtype: torch.dtype) -> list[Tensor]:
    """Volumes of a clip of keyframes."""
    samples, _, channels = CLIP
    x, y, z = VOXELS.shape
    return [torch.randn(samples, z, x, y, channels, device='cuda', dtype=dtype).requires_grad_()]


def _remember(volumes: Tensor, backend: str) -> Tensor:
    """Each keyframe with those before it, each of which was driven 5 m and turned by a degree later."""
    samples, frames, _ = CLIP
    ago = torch.arange(frames, 0, -1, device='cuda')
    rows = torch.arange(samples, device='cuda')[:, None] - ago
    motions = torch.eye(4, device='cuda').repeat(samples, frames, 1, 1)
    angles = torch.deg2rad(ago.float())
    motions[..., 0, 0], motions[..., 0, 1] = angles.cos(), -angles.sin()
    motions[..., 1, 0], motions[..., 1, 1] = angles.sin(), angles.cos()
    motions[..., 1, 3] = 5.0 * ago
    return warp(volumes, rows.clamp(min=0), motions, rows >= 0, VOXELS, backend)


def _measure(compute: Callable[..., Tensor], inputs: list[Tensor], repeats: int) -> dict[str, float]:
    """Median milliseconds of the forward pass alone and of both passes."""

    def forward() -> Tensor:
        with torch.no_grad():
            return compute(*inputs)

    result = forward()
    cotangent, moved = torch.randn_like(result), sum(each.nbytes for each in (*inputs, result))

    def both() -> tuple[Tensor, ...]:
        return torch.autograd.grad(compute(*inputs), inputs, cotangent)

    times = {'forward': _median_time(forward, repeats), 'with backward': _median_time(both, repeats)}
    return {**times, 'forward moves at least, MB': moved / 1e6}


def _bandwidth(repeats: int) -> float:
    """GB/s of a copy on the device, bytes read and bytes written counted."""
    source = torch.empty(2**30, dtype=torch.uint8, device='cuda')
    other = torch.empty_like(source)
    return 2 * source.nbytes / _median_time(lambda: other.copy_(source), repeats) / 1e6


def _median_time(work: Callable[[], object], repeats: int) -> float:
    """Median milliseconds of the device between events, caches emptied before each run."""
    other = torch.empty(2**31, dtype=torch.uint8, device='cuda')
    for _ in range(5):
        work()
    times = []
    for _ in range(repeats):
        # Empties the caches, and keeps the device busy for longer than the launches of what is timed take.
        for _ in range(4):
            other.zero_()
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        work()
        end.record()
        times.append((start, end))
    torch.cuda.synchronize()
    return float(torch.tensor([start.elapsed_time(end) for start, end in times]).median())
