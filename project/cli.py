"""What command lines share, without a heavy import: ``--help`` and a misspelt option should answer at once."""

import os
from argparse import ArgumentParser


def add_run_options(parser: ArgumentParser, work_dir: str) -> None:
    """Add the options that mmdet3d's commands for training and testing share.

    Args:
        parser: of the command.
        work_dir: the folder for everything that is written unless ``--work-dir`` names one, in words.
    """
    parser.add_argument('--work-dir', metavar='FOLDER', help=f'folder for everything that is written [{work_dir}]')
    add_config_options(parser)
    parser.add_argument(
        '--launcher',
        choices=('none', 'pytorch', 'slurm', 'mpi'),
        default='none',
        help='what started the processes: pytorch for torchrun, none for a single one',
    )
    # Older launchers give the rank by this option, torchrun by the environment.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help='set by the launcher')


def add_config_options(parser) -> None:
    """Add the option that replaces entries of a configuration, to a parser or a group of its options."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='replace entries of the configuration: train_cfg.max_epochs=12 model.head.hidden_dims=256',
    )


def usable_cores() -> int:
    """Number of cores that this process may use: fewer than the machine has under Slurm, taskset or in a container."""
    # macOS has no affinity.
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
