"""Runs the toy in processes of its own, which can be killed and of which there can be several."""

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
_context.set_forkserver_preload(
    ['project', 'project.engine', 'mmdet3d.visualization', 'mmdet3d.evaluation', 'toy', 'processes']
)


def run_toy(
    work_dir: Path, world_size: int = 1, kill_at: str = '', resume: str = '', test: str = '', **options
) -> list[int]:
    """Train or test in new processes, and wait for them.

    Args:
        work_dir: folder of the run; the output of process r goes to ``<work_dir>_r.log``.
        world_size: number of processes.
        kill_at: when they kill themselves, as the toy's TrailHook has it.
        resume: checkpoint to go on from, or 'auto'.
        test: checkpoint to test, instead of training.
        options: entries of the configuration, with ``__`` for the dots.

    Returns:
        Exit codes of the processes.
    """
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    environment = {'WORLD_SIZE': world_size, 'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': port, 'TOY_KILL_AT': kill_at}
    options = {name.replace('__', '.'): value for name, value in options.items()}
    options |= {'work_dir': str(work_dir), 'launcher': 'pytorch' if world_size > 1 else 'none'}
    arguments = (environment, str(resume), str(test), options)
    processes = [_context.Process(target=_run, args=(rank, *arguments)) for rank in range(world_size)]
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


def _run(rank: int, environment: dict, resume: str, test: str, options: dict) -> None:
    import torch

    from project.engine import OccupancyRunner, command

    torch.set_num_threads(1)
    os.environ.update({name: str(value) for name, value in environment.items()}, RANK=str(rank), LOCAL_RANK=str(rank))
    config = Config.fromfile(HERE / 'toy_config.py')
    config.merge_from_dict(options)
    config.visualizer.vis_backends = []
    sys.stdout = sys.stderr = open(f'{config.work_dir}_{rank}.log', 'a', buffering=1)  # noqa: SIM115
    if resume:
        command.resume_from(config, resume)
    if test:
        config.load_from = test
        command.run(lambda: OccupancyRunner.from_cfg(config).test())
    else:
        command.run(lambda: OccupancyRunner.from_cfg(config).train())
