"""Trains the toy in processes of its own, which can be killed and of which there can be several."""

import multiprocessing
import os
import socket
import sys
from pathlib import Path

from mmengine.config import Config

HERE = Path(__file__).parent

# Children are forked from a server that has imported everything once, and has no threads that a fork would lose.
os.environ['PYTHONPATH'] = os.pathsep.join([str(HERE), str(HERE.parents[1]), os.environ.get('PYTHONPATH', '')])
_context = multiprocessing.get_context('forkserver')
_context.set_forkserver_preload(['project', 'project.engine', 'toy', 'processes'])


def train_toy(work_dir: Path, world_size: int = 1, kill_at: int | None = None, resume: bool = False, **options):
    """Train in new processes, and wait for them.

    Args:
        work_dir: folder of the run.
        world_size: number of processes.
        kill_at: iteration after which they kill themselves.
        resume: whether to go on from the last checkpoint.
        options: entries of the configuration, with ``__`` for the dots.

    Returns:
        Exit codes of the processes.
    """
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    options = {name.replace('__', '.'): value for name, value in options.items()}
    arguments = (work_dir, world_size, port, kill_at, resume, options)
    processes = [_context.Process(target=_train, args=(rank, *arguments)) for rank in range(world_size)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return [process.exitcode for process in processes]


def trail(work_dir: Path, rank: int = 0) -> dict[int, tuple[str, ...]]:
    """Epoch, loss and learning rate of each iteration, to the last bit; one that ran twice must have repeated."""
    lines = {}
    for line in (work_dir / f'trail_{rank}.txt').read_text().splitlines():
        epoch, iteration, *values = line.split()
        assert lines.setdefault(int(iteration), (epoch, *values)) == (epoch, *values), f'iteration {iteration} changed'
    return lines


def _train(rank: int, work_dir: Path, world_size: int, port: int, kill_at: int | None, resume: bool, options: dict):
    import torch
    import toy  # noqa: F401

    from project.engine import OccupancyRunner, command

    torch.set_num_threads(1)
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(world_size))
    os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port), TOY_KILL_AT=str(kill_at))
    config = Config.fromfile(HERE / 'toy_config.py')
    config.merge_from_dict(options)
    config.work_dir = str(work_dir)
    config.launcher = 'pytorch' if world_size > 1 else 'none'
    config.visualizer.vis_backends = []
    if resume:
        command.resume_from(config, 'auto')
    sys.stdout = open(work_dir.parent / f'{work_dir.name}_{rank}.log', 'a')  # noqa: SIM115
    OccupancyRunner.from_cfg(config).train()
