"""Fixtures that all tests share."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from project.geometry.rigid import rigid
from project.synthetic import WorldSettings, make_world


@pytest.fixture(scope='session', autouse=True)
def _ctrl_c_ends_programs() -> Iterator[None]:
    """Programs that tests start are ended by SIGINT, as at a terminal, where whatever started the tests ignores it.

    A shell starts the background jobs of a script so, and some servers their builds; programs inherit it.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope='session')
def tiny_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic world in nuScenes format: scene-0061 (train) and scene-0103 (val), three keyframes each, images of
    160x90 pixels; everything that makes labelling hard is on but wrong ego poses. Read only: all tests share it."""
    # Processes of one run share it: each has its own folder in that of the run.
    alone = 'PYTEST_XDIST_WORKER' not in os.environ
    base = tmp_path_factory.getbasetemp()
    root = (base if alone else base.parent) / 'tiny_world'
    with FileLock(f'{root}.lock'):
        if not root.exists():
            make_world(root.with_suffix('.unfinished'), WorldSettings.tiny())
            root.with_suffix('.unfinished').rename(root)
    return root


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers, the same in every run."""
    return np.random.default_rng(20260)


@pytest.fixture
def random_rigid(rng: np.random.Generator) -> Callable[..., np.ndarray]:
    """Draws rigid transforms: ``random_rigid()`` is a (4, 4) float64 matrix, its shift below `reach` metres."""

    def draw(reach: float = 50.0) -> np.ndarray:
        # A quaternion of four normal numbers is a rotation drawn uniformly.
        return rigid(tuple(rng.normal(size=4)), rng.uniform(-reach, reach, 3))

    return draw
