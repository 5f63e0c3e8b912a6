"""Speed of loading keyframes: time of each step, and keyframes a second of several loading processes."""

import argparse
import itertools
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
    """Print and return milliseconds of one thread for each step of a keyframe, and keyframes a second."""
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
        rate = _rate(dataset, indices, workers)
        figures[f'{workers} workers, keyframes/s'] = rate
        table.add_row(f'{workers} workers, received', f'{1000 / rate:.1f}', f'{rate:.1f}/s')
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


def _rate(dataset: Dataset, indices: list[int], workers: int) -> float:
    """Keyframes a second that arrive from loading processes, once each of these has begun."""
    beginning = [indices[0]] * 2 * workers
    loader = DataLoader(
        dataset, sampler=beginning + indices, num_workers=workers, collate_fn=pseudo_collate,
        pin_memory=torch.cuda.is_available(),
    )  # fmt: skip
    batches = iter(loader)
    for _ in beginning:
        next(batches)
    start = time.perf_counter()
    for _ in batches:
        pass
    return len(indices) / (time.perf_counter() - start)


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
