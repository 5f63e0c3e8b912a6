"""Shared by command lines, without heavy imports: ``--help`` and a misspelt option should answer at once."""

import os
import signal
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]


def _require(packages: Sequence[str], remedy: str) -> None:
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        print(f'error: {sys.executable} has no package {", ".join(missing)}: {remedy}', file=sys.stderr)
        sys.exit(2)


def require_main() -> None:
    """End in one sentence where what every command needs is not installed.

    Raises:
        SystemExit: with the code 2, after that sentence.
    """
    _require(('numpy', 'numba', 'msgspec', 'rich'), 'run make setup, then source .venv/bin/activate')


def require_model() -> None:
    """End in one sentence where what a model needs is not installed.

    Raises:
        SystemExit: with the code 2, after that sentence.
    """
    remedy = "pip install 'occupancy-bevformer[model]', or make setup in a checkout"
    _require(('torch', 'mmengine', 'mmcv', 'mmdet3d'), remedy)


def invocation(command: str, script: str) -> str:
    """How the command that runs was called, for its help: by its name, or as a script of a checkout.

    Args:
        command: its name on a console, such as ``occ-test``.
        script: its script, from the root of the checkout.
    """
    return f'python {script}' if Path(sys.argv[0]).resolve() == _ROOT / script else command


class Terminated(KeyboardInterrupt):
    """SIGTERM, which Slurm, containers and ``timeout`` send to end a program."""


def run(main: Callable[[], int], stopped: str = 'stopped') -> int:
    """Run a command so that Ctrl-C and SIGTERM end it in one sentence: ``sys.exit(run(main))``.

    Either raises a KeyboardInterrupt in `main`, which cleans up as after any other error.

    Args:
        main: the command; returns its exit code.
        stopped: what is said when it was stopped, such as how to go on.

    Returns:
        The exit code: 130 after Ctrl-C and 143 after SIGTERM, as shells have it.
    """
    signal.signal(signal.SIGTERM, _terminate)
    try:
        return main()
    except KeyboardInterrupt as interrupt:
        # A second signal ends the command at once.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        print(f'\n{stopped}', file=sys.stderr)
        return 143 if isinstance(interrupt, Terminated) else 130
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminate(*signal_and_frame: object) -> None:
    raise Terminated


def whole_number(least: int) -> Callable[[str], int]:
    """Type of an option that takes a whole number, `least` or more."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise ArgumentTypeError(f'"{text}" is not a whole number') from None
        if number < least:
            raise ArgumentTypeError(f'{number} is less than {least}')
        return number

    return parse


def add_cache_options(parser) -> None:
    """Add the options that say where copies of remote files are kept, to a parser or a group of its options."""
    parser.add_argument(
        '--cache', type=Path, metavar='FOLDER',
        help='of URLs: keep copies of what is read here, for all processes and the next call (a temporary folder)',
    )  # fmt: skip
    parser.add_argument(
        '--cache-size', '--cache_size', metavar='SIZE', default='20GB',
        help='what was not used for longest is removed from the copies beyond this, such as 100GB (%(default)s)',
    )  # fmt: skip


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
