"""Finds the Dask cluster of ``--cluster``: a running one, one on this machine, or one described by a YAML file."""

import importlib
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask
import yaml
from distributed import Client, LocalCluster

from project.errors import UserError

SHIPPED = Path(__file__).parents[2] / 'config' / 'clusters'
"""``slurm.yaml`` and others, for a name instead of a file."""

CONNECT_S = 30

_KEYS = {'class', 'options', 'workers'}


@dataclass(frozen=True)
class ClusterChoice:
    """The parsed option ``--cluster``.

    Attributes:
        address: of a running scheduler; None to start a cluster.
        class_name: the class that starts it, ``package.module.Class``.
        options: its keyword arguments.
        least: workers to begin with; 0 with a `most` of 0 leaves that to the options.
        most: largest number of workers; if it exceeds `least`, Dask adds and releases workers with the amount of work.
    """

    address: str | None = None
    class_name: str = 'distributed.LocalCluster'
    options: Mapping[str, Any] | None = None
    least: int = 0
    most: int = 0


def parse_cluster(text: str) -> ClusterChoice:
    """Parse the text of the option.

    Args:
        text: ``tcp://HOST:PORT``, ``local:N``, a YAML file, or the name of one in ``config/clusters``.

    Raises:
        UserError: the text is invalid, or the file does not describe a cluster; the message says what it should be.
    """
    if re.match(r'[a-z]+://', text):
        return ClusterChoice(address=text)
    if local := re.fullmatch(r'local:([1-9]\d*)', text):
        return ClusterChoice(least=int(local[1]), most=int(local[1]))
    shipped = {path.stem: path for path in sorted(SHIPPED.glob('*.yaml'))}
    path = shipped.get(text, Path(text))
    if not path.is_file():
        raise UserError(
            f'--cluster {text}: neither the address of a scheduler (tcp://HOST:PORT), nor local:N, nor a YAML file, '
            f'nor one of {", ".join(shipped)}; see docs/cluster.md'
        )
    return _read(path)


def _read(path: Path) -> ClusterChoice:
    try:
        content = yaml.safe_load(path.read_bytes())
    except yaml.YAMLError as error:
        raise UserError(f'{path}: not YAML: {" ".join(str(error).split())}') from None
    if not isinstance(content, dict) or set(content) - _KEYS or not isinstance(content.get('class'), str):
        raise UserError(
            f'{path}: must have "class", such as dask_jobqueue.SLURMCluster, and may have "options" and "workers", '
            'nothing else; see docs/cluster.md'
        )
    least, most = _workers(content.get('workers', 0), path)
    return ClusterChoice(None, content['class'], _options(content, path), least, most)


def _workers(stated: Any, path: Path) -> tuple[int, int]:
    least, most = (stated.get('minimum'), stated.get('maximum')) if isinstance(stated, dict) else (stated, stated)
    if type(least) is not int or type(most) is not int or not 0 <= least <= most:
        raise UserError(f'{path}: "workers" must be a number, or minimum and maximum: {{minimum: 0, maximum: 200}}')
    return least, most


def _options(content: Mapping[str, Any], path: Path) -> dict[str, Any]:
    options = content.get('options') or {}
    if not isinstance(options, dict):
        raise UserError(f'{path}: "options" must hold arguments of {content["class"]} by name')
    return options


@contextmanager
def connected(choice: ClusterChoice) -> Iterator[Client]:
    """A client of the cluster; one that was started here ends with the body.

    Raises:
        UserError: the scheduler does not answer, or the cluster cannot be started.
        ImportError: the package of its class is not installed.
    """
    with ExitStack() as stack:
        # The executor decides what is tried again. A scheduler that was already running tries three times by itself.
        stack.enter_context(dask.config.set({'distributed.scheduler.allowed-failures': 0}))
        place = choice.address or stack.enter_context(_started(choice))
        try:
            client = Client(place, timeout=CONNECT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise UserError(
                f'--cluster {choice.address}: no scheduler answers there ({" ".join(str(error).split())})'
            ) from None
        yield stack.enter_context(client)


def _started(choice: ClusterChoice) -> Any:
    options = dict(choice.options or {})
    if choice.options is None:
        # One thread: a scene keeps a core busy, and labels of two do not fit into the memory of one.
        return LocalCluster(n_workers=choice.least, threads_per_worker=1, dashboard_address='127.0.0.1:0')
    module, _, name = choice.class_name.rpartition('.')
    try:
        make = getattr(importlib.import_module(module), name)
    except (ImportError, ValueError, AttributeError) as error:
        raise ImportError(f'{choice.class_name}: {error}; install its package') from None
    try:
        cluster = make(**options)
        if choice.most > choice.least:
            cluster.adapt(minimum=choice.least, maximum=choice.most)
        elif choice.most:
            cluster.scale(choice.most)
    except Exception as error:
        raise UserError(f'{choice.class_name} cannot be started: {type(error).__name__}: {error}') from error
    return cluster
