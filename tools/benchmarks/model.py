"""Speed of a model on a GPU: inference and training, part by part and by kind of kernel, plain and fast."""

import argparse
import copy
import math
import os
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count

import numpy as np
import torch
from mmdet3d.registry import MODELS
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.registry import init_default_scope
from rich.console import Console
from rich.table import Table
from torch import Tensor

from project.engine.checkpoint import read_checkpoint
from project.engine.command import use_bfloat16
from project.engine.weights import load_strictly, weights_of
from project.grid import VoxelGrid
from project.models.ops.deformable_attention import ATTENTION
from tools.benchmarks._agreement import agreement, validation
from tools.benchmarks._kernels import by_kind, kernel_times
from tools.benchmarks._model_parts import model_parts
from tools.benchmarks._rig import data_sample

IMAGE = (900, 1600)
"""Rows and columns of a nuScenes image."""

PLAIN = {
    'OCCUPANCY_DEFORMABLE_CONVOLUTION': 'torchvision',
    'OCCUPANCY_FROZEN_NORM': 'torch',
    'OCCUPANCY_TRAINED_NORM': 'torch',
    'OCCUPANCY_PULL': 'torch',
    'OCCUPANCY_SPLAT': 'torch',
    'OCCUPANCY_WARP': 'torch',
    'OCCUPANCY_MAX_POOL': 'torch',
}
"""Environment of the plain path, to which come float32 (with TF32), mmdet's own ResNet, and mmcv's attention."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Command line of this benchmark."""
    parser.add_argument('--config', default='config/occupancy.py', help='configuration (%(default)s)')
    parser.add_argument(
        '--batches', type=int, nargs='+', default=[1, 4], metavar='N', help='batches of inference (1 4)'
    )
    parser.add_argument(
        '--training-batches', type=int, nargs='+', default=[1], metavar='N', help='batches of training steps (1)'
    )
    parser.add_argument('--checkpoint', help="trained weights, to compare the paths on the configuration's data too")
    parser.add_argument(
        '--frames', type=int, default=60, metavar='N', help='frames of validation to compare on (%(default)s)'
    )
    parser.add_argument('--repeats', type=int, default=20, metavar='N', help='timed runs, after warm-up (%(default)s)')


def run(args: argparse.Namespace) -> dict:
    """Print and return milliseconds and memory of both paths, and how well they agree.

    Raises:
        SystemExit: there is no GPU.
    """
    if not torch.cuda.is_available():
        raise SystemExit('tools/benchmark.py model measures on a GPU, and torch sees none here')
    torch.backends.cuda.matmul.allow_tf32 = True
    config = Config.fromfile(args.config)
    figures = {'device': torch.cuda.get_device_name(), 'torch': torch.__version__}
    logits, validated = {}, {}
    for path in ('plain', 'fast'):
        with _path(path):
            prefix = '' if path == 'fast' else 'plain_'
            model = build_model(config, path == 'plain', args.checkpoint)
            times, logits[path] = inference(model, config, sorted({1, *args.batches}), args.repeats)
            if args.checkpoint:
                validated[path], times['val_miou'] = validation(model, config, args.frames)
            del model  # with its graphs
            torch.cuda.empty_cache()
            model = build_model(config, path == 'plain', args.checkpoint)
            times.update(training(model, config, sorted({1, *args.training_batches}), args.repeats))
            del model
            torch.cuda.empty_cache()
            figures.update({prefix + key: value for key, value in times.items()})
    figures.update(agreement(*(validated or logits).values()))
    figures['agreement_on'] = f'{args.frames} frames of a trained model' if validated else 'noise, random weights'
    _show(figures)
    return figures


@contextmanager
def _path(name: str) -> Iterator[None]:
    attention = 'mmcv' if 'mmcv' in ATTENTION.available('cuda') else 'torch'
    chosen = {**PLAIN, 'OCCUPANCY_DEFORMABLE_ATTENTION': attention} if name == 'plain' else {}
    os.environ.update(chosen)
    try:
        with torch.autocast('cuda', torch.bfloat16, enabled=name == 'fast'):
            yield
    finally:
        for variable in chosen:
            del os.environ[variable]


def build_model(config: Config, plain: bool = False, checkpoint: str | None = None) -> torch.nn.Module:
    """The model of a configuration, trained, or with weights that depend on nothing and offsets of about a pixel."""
    torch.manual_seed(0)
    init_default_scope(config.default_scope)
    config = copy.deepcopy(config.model)
    if plain and config.img_backbone.type == 'OccupancyResNet':
        config.img_backbone.type = 'mmdet.ResNet'
    if config.img_backbone.get('pretrained'):
        config.img_backbone.pretrained = False  # nothing is to be downloaded
    model = MODELS.build(config)
    if checkpoint:
        load_strictly(model, weights_of(read_checkpoint(checkpoint)), checkpoint)
        return model.cuda()
    logger = MMLogger.get_current_instance()
    logger.setLevel('WARNING')  # it would list every parameter
    model.init_weights()
    logger.setLevel('INFO')
    for name, parameter in model.named_parameters():
        if 'conv_offset.weight' in name or 'sampling_offsets.weight' in name or 'attention_weights.weight' in name:
            torch.nn.init.normal_(parameter, std=0.01)
    return model.cuda()


def batch(config: Config, size: int, device: str = 'cuda') -> tuple[dict[str, Tensor], list]:
    """Images and data samples of the detector, as many frames of as many pixels as a configuration has."""
    image = image_size(config)
    frames = config.test_dataloader.dataset.get('queue_length', 1)
    torch.manual_seed(1)
    images = 50 * torch.randn(size, frames, 6, 3, *image, device=device)
    grid = VoxelGrid.of(config.model.grid).shape
    strides = [step.stride for step in config.train_dataloader.dataset.pipeline if step.type == 'RenderOccupancy']
    maps = tuple(-(-side // strides[0]) for side in image) if strides else None
    samples = [data_sample(image, grid, frames, device, maps) for _ in range(size)]
    return {'imgs': images if frames > 1 else images[:, 0]}, samples


def image_size(config: Config) -> tuple[int, int]:
    """Rows and columns of a configuration's images, padded, for cameras like those of nuScenes."""
    steps = config.test_dataloader.dataset.pipeline
    fitted = [step.size for step in steps if step.type == 'FitSurroundImages']
    factor = math.prod(step.factor for step in steps if step.type == 'ScaleSurroundImages')
    size = fitted[-1] if fitted else tuple(factor * pixels for pixels in IMAGE)
    divisor = config.model.data_preprocessor.pad_divisor
    return tuple(math.ceil(pixels / divisor) * divisor for pixels in size)


def next_frames(samples: list, number: int) -> None:
    """Give the frames of each sample's queue names: frame `number` and the ones after it of a drive of its own."""
    for index, sample in enumerate(samples):
        queue = len(sample.get('global_from_grid', ()))
        sample.set_metainfo({'frame_tokens': [f'{index} {number + frame}' for frame in range(queue)]})


@torch.no_grad()
def inference(
    model: torch.nn.Module, config: Config, sizes: list[int], repeats: int
) -> tuple[dict[str, float], Tensor]:
    """Median milliseconds from images to logits for batches of some sizes, GiB for the first, and its logits.

    A model that keeps the volumes of earlier frames is also timed on frames in order of time.
    """
    model.eval()
    figures, logits = {}, None
    keeps = getattr(model, 'history', None) is not None
    for size in sizes:
        inputs, samples = batch(config, size)
        work = partial(model, inputs, samples, mode='tensor')
        name = 'inference' if size == 1 else f'inference_batch{size}'
        with _memory() as used:
            time = median_time(work, repeats)
        figures.update({f'{name}_ms': time, f'{name}_peak_gib': used()})
        if keeps:
            numbers = count()

            def in_order(samples: list = samples, numbers: Iterator[int] = numbers, work: Callable = work) -> None:
                next_frames(samples, next(numbers))
                work()

            figures[f'{name}_in_order_ms'] = median_time(in_order, repeats)
            for sample in samples:
                sample.pop('frame_tokens')
        logits = work().float() if logits is None else logits
        if size == 1:
            figures['kernels_ms'] = by_kind(kernel_times(work))
            figures['inference_parts_ms'] = _parts(model, inputs, samples, repeats)
    return figures, logits


def training(model: torch.nn.Module, config: Config, sizes: list[int], repeats: int) -> dict:
    """Median milliseconds of a whole step for batches of some sizes, and GiB; for the first its parts and kernels."""
    model.train()
    config = copy.deepcopy(config)
    if torch.is_autocast_enabled('cuda'):
        use_bfloat16(config)
    optimiser = build_optim_wrapper(model, config.optim_wrapper)
    figures = {}
    for size in sizes:
        inputs, samples = batch(config, size)
        work = partial(_step, model, optimiser, inputs, samples)
        name = 'training' if size == 1 else f'training_batch{size}'
        with _memory() as used:
            total, parts = median_times(work, repeats)
        figures.update({f'{name}_ms': total, f'{name}_parts_ms': parts, f'{name}_peak_gib': used()})
        figures[f'{name}_kernels_ms'] = by_kind(kernel_times(lambda work=work: list(work())))
    return figures


def _step(model: torch.nn.Module, optimiser: OptimWrapper, inputs: dict[str, Tensor], samples: list) -> Iterator[str]:
    """A step of training, which names its parts when they are done."""
    loss, _ = model.parse_losses(model(inputs, samples, mode='loss'))
    yield 'forward'
    with torch.autocast('cuda', enabled=False):
        optimiser.backward(loss)
        yield 'backward'
        optimiser.step()
        optimiser.zero_grad()
    yield 'clipping and optimiser'


def _parts(model: torch.nn.Module, inputs: dict[str, Tensor], samples: list, repeats: int) -> dict[str, float]:
    """Milliseconds of each part for the present frame, without earlier frames; on the fast path each part is a separate
    graph."""
    images, cameras = inputs['imgs'], np.stack([sample.lidar2img for sample in samples])
    if images.dim() == 6:
        images, cameras = images[:, -1], cameras[:, -1]
    parts = model_parts(model, images, torch.from_numpy(cameras).float().cuda())
    as_graph = torch.is_autocast_enabled('cuda')
    return {name: median_time(_graphed(work) if as_graph else work, repeats) for name, work in parts.items()}


def _graphed(work: Callable[[], object]) -> Callable[[], None]:
    """Work as a CUDA graph."""
    stream = torch.cuda.Stream()
    before, torch.backends.cudnn.benchmark = torch.backends.cudnn.benchmark, True
    stream.wait_stream(torch.cuda.current_stream())
    with torch.autocast('cuda', torch.bfloat16, cache_enabled=False), torch.cuda.stream(stream):
        for _ in range(2):
            work()
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            work()
    torch.backends.cudnn.benchmark = before
    return graph.replay


@contextmanager
def _memory() -> Iterator[Callable[[], float]]:
    """The most GiB that torch holds on the device within, capturing graphs and what it keeps for later included."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    yield lambda: torch.cuda.max_memory_reserved() / 2**30


def median_time(work: Callable[[], object], repeats: int) -> float:
    """Median milliseconds between device events around `work`."""

    def whole() -> Iterator[str]:
        work()
        yield 'all'

    return median_times(whole, repeats)[0]


def median_times(work: Callable[[], Iterator[str]], repeats: int, warm_up: int = 3) -> tuple[float, dict[str, float]]:
    """Median milliseconds between device events, of all work and of each part, which the work names when it is done."""
    totals, parts = [], {}
    for run in range(warm_up + repeats):
        torch.cuda.synchronize()
        names, events = [], [_recorded_event()]
        for name in work():
            names.append(name)
            events.append(_recorded_event())
        events[-1].synchronize()
        if run < warm_up:
            continue
        totals.append(events[0].elapsed_time(events[-1]))
        for name, start, end in zip(names, events, events[1:], strict=False):
            parts.setdefault(name, []).append(start.elapsed_time(end))
    return statistics.median(totals), {name: statistics.median(times) for name, times in parts.items()}


def _recorded_event() -> torch.cuda.Event:
    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return event


def _show(figures: dict) -> None:
    table = Table(title=f'{figures["device"]}, torch {figures["torch"]}', title_style='')
    for name in ('', 'plain', 'fast', 'ratio'):
        table.add_column(name, justify='right' if name else 'left')
    rows = {key: (figures[f'plain_{key}'], value) for key, value in figures.items() if f'plain_{key}' in figures}
    for name, (plain, fast) in rows.items():
        if not isinstance(plain, dict):
            table.add_row(name, f'{plain:.2f}', f'{fast:.2f}', f'{plain / fast:.1f}x')
            continue
        table.add_row(name)
        for part, time in plain.items():
            ratio = f'{time / fast[part]:.1f}x' if fast[part] else ''
            table.add_row(f'  {part}', f'{time:.2f}', f'{fast[part]:.2f}', ratio)
    Console().print(table)
    print(
        f'logits: relative error {figures["relative_error"]:.4f}, same arg-max {figures["same_argmax"]:.4f} '
        f'({figures["agreement_on"]})'
    )
