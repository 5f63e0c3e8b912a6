"""Fixtures that all tests share."""

import os

# The processes of a run share the cores. With several threads each, they would mostly wait for one another.
# It is read when numpy and torch are imported, and by programs that tests start.
if 'PYTEST_XDIST_WORKER' in os.environ:
    os.environ.setdefault('OMP_NUM_THREADS', '1')

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from project.commands import occ_convert
from project.formats import FORMATS
from project.geometry.rigid import rigid
from project.synthetic import WorldSettings, make_world


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put one file that needs the tiny labels first, and the others that do last.

    The first process makes labels then, for which it compiles most of what there is to compile, while the others run
    what needs none, instead of waiting for it.
    """
    in_need = {item.path for item in items if {'tiny_world', 'tiny_labels'} & set(getattr(item, 'fixturenames', ()))}
    first = next((item.path for item in items if 'tiny_labels' in getattr(item, 'fixturenames', ())), None)
    items.sort(key=lambda item: (item.path != first, item.path in in_need))


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
    return made_once(tmp_path_factory, 'tiny_world', lambda folder: make_world(folder, WorldSettings.tiny()))


@pytest.fixture(scope='session')
def tiny_labels(tiny_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labels and index of the tiny world in every format, of one sweep around each keyframe; read only, too."""

    def convert(folder: Path) -> None:
        formats = [word for name in FORMATS for word in ('--format', name)]
        options = ['--dataroot', str(tiny_world), '--save_path', str(folder), '--num_sweeps', '1', '--workers', '1']
        assert occ_convert.main(options + formats) == 0

    return made_once(tmp_path_factory, 'tiny_labels', convert)


def made_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that the first process of a run to need it makes, and all others use."""
    # Each process has its own folder in that of the run.
    alone = 'PYTEST_XDIST_WORKER' not in os.environ
    base = tmp_path_factory.getbasetemp()
    folder = (base if alone else base.parent) / name
    with FileLock(f'{folder}.lock'):
        if not folder.exists():
            make(folder.with_suffix('.unfinished'))
            folder.with_suffix('.unfinished').rename(folder)
    return folder


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
