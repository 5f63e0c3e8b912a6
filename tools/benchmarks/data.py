"""Speed of loading keyframes: time of each step, and what several loading processes hand over, at what cost."""

import argparse
import itertools
import os
import time

import cv2
import numpy as np
import torch
from mmdet3d.registry import DATASETS, MODELS
from mmengine.dataset import pseudo_collate
from rich.console import Console
from rich.table import Table
from torch.utils.data import DataLoader, Dataset

import project  # noqa: F401  registers the dataset
from project.cli import add_config_options, usable_cores
from project.engine.config_files import read_config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Command line of this benchmark."""
    parser.add_argument('--config', default='config/occupancy.py', help='whose training data to load (%(default)s)')
    add_config_options(parser)
    parser.add_argument('--samples', type=int, default=24, metavar='N', help='keyframes to load (%(default)s)')
    parser.add_argument(
        '--workers', type=int, nargs='+', default=[1, usable_cores()], metavar='N', help='loading processes (1 and all)'
    )


def run(args: argparse.Namespace) -> dict[str, float]:
    """Print and return milliseconds of one thread for each step of a keyframe, and what loading processes do."""
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    config = read_config(args.config, args.cfg_options)
    dataset = DATASETS.build(config.train_dataloader.dataset)
    indices = list(itertools.islice(itertools.cycle(range(len(dataset))), args.samples))
    figures = _time_of_steps(dataset, indices)
    total = sum(figures.values())
    table = Table(title=f'{args.samples} keyframes', title_style='')
    table.add_column('step')
    table.add_column('ms a keyframe', justify='right')
    table.add_column('share', justify='right')
    for name, milliseconds in figures.items():
        table.add_row(name, f'{milliseconds:.1f}', f'{milliseconds / total:.0%}')
    table.add_section()
    table.add_row('one process', f'{total:.1f}', f'{1000 / total:.1f}/s')
    for workers in sorted(set(args.workers)):
        rate, loading, receiving = _handed_over(dataset, indices, workers)
        figures[f'{workers} workers, keyframes/s'] = rate
        figures[f'{workers} workers, loading and handing over'] = loading
        figures[f'{workers} workers, receiving'] = receiving
        table.add_row(f'{workers} workers, received', f'{1000 / rate:.1f}', f'{rate:.1f}/s')
        table.add_row('  a core that loads and hands over', f'{loading:.1f}', f'{1000 / loading:.1f}/s')
        table.add_row('  a core that receives', f'{receiving:.1f}', '')
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    name = f'data preprocessor, {device}'
    figures[name] = _time_of_batch(config.model.data_preprocessor, dataset, device)
    table.add_section()
    table.add_row(name, f'{figures[name]:.1f}', '')
    Console().print(table)
    return figures


def _time_of_steps(dataset: Dataset, indices: list[int]) -> dict[str, float]:
    """Mean CPU milliseconds of each transform, the first keyframe left out; other programs do not count."""
    times: dict[str, list[float]] = {}

    def timed(name: str, work, *args):
        start = time.process_time()
        result = work(*args)
        times.setdefault(name, []).append(1000 * (time.process_time() - start))
        return result

    for index in [indices[0], *indices]:
        results = timed('index', dataset.get_data_info, index)
        for transform in dataset.pipeline.transforms:
            results = timed(type(transform).__name__, transform, results)
    return {name: float(np.mean(measured[1:])) for name, measured in times.items()}


class _Clocked(Dataset):
    """Samples, each with its process and the processor time, s, that this process has used so far."""

    def __init__(self, dataset: Dataset):
        self.dataset = dataset

    def __getitem__(self, index: int) -> tuple[dict, int, float]:
        return self.dataset[index], os.getpid(), time.process_time()


def _handed_over(dataset: Dataset, indices: list[int], workers: int) -> tuple[float, float, float]:
    """What arrives from loading processes, once each of these has begun.

    Returns:
        Keyframes a second; milliseconds of processor time of a loading process for a keyframe, handing over (which
        another thread of it does) included; and the same of this process, which receives.
    """
    beginning = [indices[0]] * 2 * workers
    loader = DataLoader(
        _Clocked(dataset), sampler=beginning + indices, num_workers=workers, collate_fn=pseudo_collate,
        pin_memory=torch.cuda.is_available(),
    )  # fmt: skip
    batches = iter(loader)
    clocks: dict[int, list[float]] = {}
    for _ in beginning:
        next(batches)
    start, own = time.perf_counter(), time.process_time()
    for _, (process,), (clock,) in batches:
        clocks.setdefault(process, []).append(clock)
    seconds, received = time.perf_counter() - start, time.process_time() - own
    loading = sum(times[-1] - times[0] for times in clocks.values())
    loaded = sum(len(times) - 1 for times in clocks.values())
    count = len(indices)
    return count / seconds, 1000 * loading / loaded if loaded else float('nan'), 1000 * received / count


def _time_of_batch(config: dict, dataset: Dataset, device: str) -> float:
    """Milliseconds from one loaded keyframe to the model's input."""
    preprocessor = MODELS.build(config).to(device)
    batch = pseudo_collate([dataset[0]])
    fastest = float('inf')
    for _ in range(5):
        start = time.perf_counter()
        preprocessor(batch, training=True)
        if device == 'cuda':
            torch.cuda.synchronize()
        fastest = min(fastest, time.perf_counter() - start)
    return 1000 * fastest
