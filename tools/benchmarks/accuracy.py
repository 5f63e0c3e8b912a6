"""Accuracy of configurations: each is trained on several data sets with several seeds, and scored on their validation.

Rows are configurations, called by the first line of their file. ``tools/benchmarks/ablations`` holds variations of
``config/occupancy_lift.py``, and ``baseline`` in it those of ``config/occupancy.py``, or of another configuration that
the variable ABLATED names by its absolute path. Trainings run beside each other on all GPUs. Those that are done are
not repeated, so a run that was interrupted, or is given more rows, goes on.
"""

import argparse
import ast
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from statistics import mean

import torch
from rich.console import Console
from rich.table import Table

TRAIN = [sys.executable, str(Path(__file__).parents[1] / 'train.py')]
"""The command that trains."""

LAST_EPOCH_ONLY = 10**6
"""Epochs between validations: there is one after the last epoch in any case."""

WIDTH = 160
"""Columns of a table that is written to a file."""


@dataclass(frozen=True)
class Training:
    """One training.

    Attributes:
        config: file of the configuration.
        data: root folder of the data and labels.
        seed: of the training.
        folder: where it writes.
    """

    config: Path
    data: Path
    seed: int
    folder: Path

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return f'{self.config.stem} on {self.data.name}, seed {self.seed}'

    @property
    def scores_file(self) -> Path:
        """Its scores, once it is done."""
        return self.folder / 'scores.json'

    @property
    def command_file(self) -> Path:
        """The command line that trained it."""
        return self.folder / 'command.txt'

    def shown(self, options: Sequence[str]) -> str:
        """Its command line in one line, with the variables that its configuration reads."""
        return shlex.join([*(f'{name}={value}' for name, value in self.environment.items()), *self.command(options)])

    @property
    def environment(self) -> dict[str, str]:
        """The variables that its configuration reads."""
        ablated = {'ABLATED': os.environ['ABLATED']} if 'ABLATED' in os.environ else {}
        return {'DATA_ROOT': f'{self.data.absolute()}/', **ablated}

    def command(self, options: Sequence[str]) -> list[str]:
        """The command line that trains and validates it, with more options of ``--cfg-options``."""
        return [
            *TRAIN, str(self.config.absolute()), '--amp', '--work-dir', str(self.folder), '--cfg-options',
            f'randomness.seed={self.seed}', f'train_cfg.val_interval={LAST_EPOCH_ONLY}', 'val_evaluator.geometric=True',
            f'val_evaluator.json_path={self.scores_file}', f'default_hooks.checkpoint.interval={LAST_EPOCH_ONLY}',
            f'default_hooks.visualization.interval={LAST_EPOCH_ONLY}', *options,
        ]  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Command line of this benchmark."""
    parser.add_argument('configs', type=Path, nargs='+', metavar='CONFIG', help='configurations: the rows')
    parser.add_argument(
        '--data', type=Path, nargs='+', required=True, metavar='FOLDER', help='data with labels: the columns'
    )
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1], metavar='N', help='seeds of trainings (0 1)')
    parser.add_argument(
        '--out', type=Path, default=Path('out/accuracy'), metavar='FOLDER', help='where trainings write (%(default)s)'
    )
    parser.add_argument(
        '--at-a-time', type=int, default=1, metavar='N', help='trainings beside each other on a GPU (%(default)s)'
    )
    parser.add_argument(
        '--cfg-options', nargs='+', default=[], metavar='KEY=VALUE', help='for all: train_cfg.max_epochs=18'
    )


def run(args: argparse.Namespace) -> dict:
    """Train what is not trained yet; print and return scores, in percent, by configuration, data and seed.

    Raises:
        SystemExit: a training failed, and the others are done; two rows or columns have one name; or what is done had
            other options.
    """
    for what, names in (
        ('data', [data.name for data in args.data]),
        ('configurations', [config.stem for config in args.configs]),
        ('configurations', [title(config) for config in args.configs]),
    ):
        if twice := [name for name in names if names.count(name) > 1]:
            raise SystemExit(f'two {what} are called {twice[0]}: give them names of their own')
    trainings = [
        Training(config, data, seed, (args.out / config.stem / data.name / str(seed)).absolute())
        for config in args.configs
        for seed in args.seeds
        for data in args.data
    ]
    for training in trainings:
        if training.scores_file.exists() and training.command_file.read_text() != training.shown(args.cfg_options):
            raise SystemExit(f'{training.folder} was trained with other data or options: choose another --out')
    failed = train_all(trainings, args.cfg_options, _cards() * args.at_a_time)
    scores = collect(trainings)
    width = None if sys.stdout.isatty() else WIDTH
    Console(width=width).print(table(scores, [data.name for data in args.data]))
    if failed:
        raise SystemExit(f'{len(failed)} trainings failed; their logs: {", ".join(map(str, failed))}')
    return scores


def train_all(trainings: Sequence[Training], options: Sequence[str], places: Sequence[str]) -> list[Path]:
    """Run trainings that have no scores yet, each at a free place.

    Args:
        trainings: what to train.
        options: for all of them.
        places: a value of ``CUDA_VISIBLE_DEVICES`` for each training that may run at a time.

    Returns:
        Logs of those that failed.
    """
    free: SimpleQueue[str] = SimpleQueue()
    for place in places:
        free.put(place)

    def train(training: Training) -> Path | None:
        place = free.get()
        try:
            return _train(training, options, place)
        finally:
            free.put(place)

    missing = [training for training in trainings if not training.scores_file.exists()]
    with ThreadPoolExecutor(len(places)) as pool:
        return [log for log in pool.map(train, missing) if log is not None]


def _train(training: Training, options: Sequence[str], place: str) -> Path | None:
    """Train; the log if that failed."""
    training.folder.mkdir(parents=True, exist_ok=True)
    log, start = training.folder / 'output.log', time.monotonic()
    environment = {**os.environ, **training.environment, 'CUDA_VISIBLE_DEVICES': place}
    training.command_file.write_text(training.shown(options))
    with log.open('w') as file:
        done = subprocess.run(
            training.command(options), stdout=file, stderr=subprocess.STDOUT, env=environment, check=False
        )
    if done.returncode or not training.scores_file.exists():
        training.scores_file.unlink(missing_ok=True)  # of a training that failed after its validation
        print(f'{training.name}: failed, see {log}', flush=True)
        return log
    scores = json.loads(training.scores_file.read_text())
    print(f'{training.name}: {_pair(scores)}, {time.monotonic() - start:.0f} s', flush=True)
    return None


def collect(trainings: Sequence[Training]) -> dict[str, dict[str, dict[str, dict]]]:
    """Scores of all trainings that are done, by title of the configuration, name of the data and seed."""
    scores: dict = {}
    for training in trainings:
        of_row = scores.setdefault(title(training.config), {}).setdefault(training.data.name, {})
        if training.scores_file.exists():
            of_row[str(training.seed)] = json.loads(training.scores_file.read_text())
    return scores


def title(config: Path) -> str:
    """The first line of a configuration's file, or its name."""
    text = ast.get_docstring(ast.parse(config.read_text())) or config.stem
    return text.split('\n')[0].removesuffix('.')


def table(scores: dict, columns: Sequence[str]) -> Table:
    """A row for each configuration: mIoU and geometric IoU on each data set, means over seeds and half of the range.

    Then what it has more than the first row: mean and range over pairs of trainings with the same data and seed.
    """
    shown = Table(title='mIoU / geometric IoU, percent: mean over seeds, and half of the range', title_style='')
    for column in ('', *columns, 'mIoU, more than\nthe first row', 'geometric IoU'):
        shown.add_column(column, justify='right' if column else 'left')
    first = next(iter(scores.values()))
    for name, by_data in scores.items():
        cells = [_cell(list(by_data[column].values())) for column in columns]
        gains = ['', ''] if by_data is first else [_gain(by_data, first, key) for key in ('mIoU', 'geometric_IoU')]
        shown.add_row(name, *cells, *gains)
    return shown


def _gain(by_data: dict, first: dict, key: str) -> str:
    gains = [
        run[key] - first[data][seed][key]
        for data, runs in by_data.items()
        for seed, run in runs.items()
        if seed in first[data]
    ]
    if len(gains) < 2:
        return f'{gains[0]:+.1f}' if gains else '-'
    return f'{mean(gains):+.1f} ({min(gains):+.1f} to {max(gains):+.1f})'


def _cell(runs: list[dict]) -> str:
    return ' / '.join(_spread([run[key] for run in runs]) for key in ('mIoU', 'geometric_IoU')) if runs else '-'


def _spread(values: list[float]) -> str:
    middle = f'{mean(values):.1f}'
    return middle if len(values) == 1 else f'{middle} ±{(max(values) - min(values)) / 2:.1f}'


def _pair(scores: dict) -> str:
    return f'{scores["mIoU"]:.1f} / {scores["geometric_IoU"]:.1f}'


def _cards() -> list[str]:
    """A value of ``CUDA_VISIBLE_DEVICES`` for each GPU, or the only one without."""
    visible = os.environ.get('CUDA_VISIBLE_DEVICES')
    return visible.split(',') if visible else [str(card) for card in range(torch.cuda.device_count())] or ['']
