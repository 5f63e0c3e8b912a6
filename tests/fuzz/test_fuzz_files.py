"""Files damaged at random: each reader names the file or reads it; with checksums in it, it reads what was there."""

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from breaking import ROUNDS, SEED, alike, damaged, facts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from project.datasets.images import read_image
from project.engine.checkpoint import read_checkpoint
from project.errors import FIXABLE
from project.formats import FORMATS, infos, predictions
from project.formats.common import OccupancyLabels
from project.formats.pickle_scan import check_lengths
from project.formats.pickles import load_plain
from project.label_mapping import with_label_mapping
from project.plain_files import read_json, read_npy, read_npz
from project.sources.base import Lidar, PointLayout
from project.sources.point_labels import _panoptic
from project.sources.read_points import read_returns
from project.sources.taxonomies import read_taxonomy
from project.taxonomy import LEARNING_MAP, Taxonomy

LIDAR = Lidar('LIDAR_TOP', PointLayout())


@dataclass
class Kind:
    """A kind of file.

    Attributes:
        name: of the file.
        write: writes a whole one.
        read: reads it.
        checked: whether the file can tell that it was changed.
    """

    name: str
    write: Callable[[Path], None]
    read: Callable[[Path], object]
    checked: bool = False


def labels(grid) -> OccupancyLabels:
    rng = np.random.default_rng(1)
    positions = np.sort(rng.choice(grid.size, 50, replace=False))
    return OccupancyLabels(grid, grid.unravel(positions), rng.integers(1, 17, 50).astype(np.uint8))


def of_format(name: str) -> Kind:
    module = FORMATS[name]
    suffix = module.path(infos.Keyframe('s', 's', 't', 'l', 'f.bin')).suffix
    return Kind(f'{name}{suffix}', lambda path: module.write(path, labels(module.GRID)), module.read, suffix == '.npz')


def index(path: Path) -> None:
    entries = [{'token': str(n), 'occupancy_path': {'voxels': 'a'}, 'pose': np.eye(4).tolist()} for n in range(5)]
    infos.write(path, entries, infos.metainfo('v1.0-mini'))


def points(path: Path) -> None:
    rng = np.random.default_rng(2)
    np.column_stack([rng.normal(0, 20, (200, 4)), np.arange(200) % 32]).astype(np.float32).tofile(path)


def image(path: Path) -> None:
    pixels = np.random.default_rng(3).integers(0, 255, (40, 60, 3), np.uint8)
    cv2.imwrite(str(path), cv2.GaussianBlur(pixels, (5, 5), 0))


def checkpoint(path: Path) -> None:
    torch.save({'state_dict': {'a': torch.arange(6.0)}, 'meta': {'epoch': 1, 'name': 'x'}}, path)


TEXTS = {
    'taxonomy.yaml': 'movable: {car: car}\nground: {road: road}\nstatic: {wall: wall}\npalette: {car: [1, 2, 3]}\n',
    'mapping.yaml': 'learning_map: {' + ', '.join(f'{n}: {label}' for n, label in enumerate(LEARNING_MAP)) + '}\n',
    'splits.json': '{"train": ["scene-0061"], "val": ["scene-0103"]}',
}

KINDS = [
    *(of_format(name) for name in FORMATS if name != 'points'),
    Kind('prediction.npz', lambda p: np.savez_compressed(p, np.zeros((4, 5, 3), np.uint8)), predictions.read, True),
    Kind('infos.pkl', index, infos.read),
    Kind('sweep.bin', points, lambda p: read_returns(p, LIDAR)),
    Kind('sweep.npy', lambda p: np.save(p, np.ones((50, 5), np.float32)), lambda p: read_returns(p, LIDAR)),
    Kind('panoptic.npz', lambda p: np.savez_compressed(p, data=np.arange(90)), lambda p: _panoptic(p, p.read_bytes())),
    Kind('image.jpg', image, read_image),
    Kind('image.png', image, read_image),
    Kind('weights.pth', checkpoint, read_checkpoint),
    Kind('taxonomy.yaml', lambda p: p.write_text(TEXTS[p.name]), read_taxonomy),
    Kind('mapping.yaml', lambda p: p.write_text(TEXTS[p.name]), partial(with_label_mapping, Taxonomy.nuscenes())),
]


def fuzz(kind: Kind, folder: Path, rounds: Sequence[int]) -> None:
    path = folder / kind.name
    kind.write(path)
    content, whole = path.read_bytes(), facts(kind.read(path))
    outcomes = set()
    for seed in rounds:
        broken = damaged(content, np.random.default_rng(seed))
        path.write_bytes(broken)
        try:
            found = kind.read(path)
        except (ValueError, *FIXABLE) as error:
            said = str(error)
            assert str(path) in said, f'seed {seed}: {said}'
            assert len(said) < 2000, f'seed {seed}: {said}'
            outcomes.add('refused')
        except Exception as error:
            raise AssertionError(f'{kind.name}, seed {seed}: {type(error).__name__}: {error}') from error
        else:
            assert not kind.checked or alike(facts(found), whole) or broken == content, (
                f'{kind.name}, seed {seed}: changed'
            )
            outcomes.add('read')
    assert 'refused' in outcomes


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('kind', KINDS, ids=lambda kind: kind.name)
def test_damaged_files(kind, tmp_path):
    fuzz(kind, tmp_path, range(60))


@pytest.mark.slow
@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('kind', KINDS, ids=lambda kind: kind.name)
def test_damaged_files_for_long(kind, tmp_path):
    fuzz(kind, tmp_path, range(10_000 + SEED * ROUNDS, 10_000 + (SEED + 1) * ROUNDS))


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(max_size=300),
    lambda each: st.lists(each) | st.dictionaries(st.text(), each) | st.tuples(each, each),
    max_leaves=20,
)
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@QUICK
@given(content=PLAIN, protocol=st.integers(0, 5))
def test_any_plain_data_comes_back_from_a_pickle(tmp_path, content, protocol):
    with open(tmp_path / 'p', 'w+b') as file:
        pickle.dump(content, file, protocol)
        file.seek(0)
        assert load_plain(file) == content


@QUICK
@given(content=st.binary(min_size=1, max_size=400))
def test_any_bytes_are_plain_data_or_a_value_error(tmp_path, content):
    path = tmp_path / 'p'
    path.write_bytes(content)
    for read in (read_npy, lambda p: read_npy(p.read_bytes()), lambda p: read_npz(p, ('a',)), read_json, load):
        try:
            read(path)
        except (ValueError, EOFError, KeyError, TypeError, OverflowError, SyntaxError, RuntimeError, OSError) as error:
            assert not isinstance(error, FileNotFoundError)
        except Exception as error:
            assert type(error).__name__ in ('BadZipFile', 'TokenError', 'error'), error


def load(path: Path) -> object:
    with open(path, 'rb') as file:
        return load_plain(file)


@QUICK
@given(content=PLAIN, protocol=st.integers(0, 5), cut=st.floats(0, 1, exclude_max=True))
def test_a_pickle_that_is_cut_off_states_more_than_it_has(content, protocol, cut):
    whole = np.frombuffer(pickle.dumps(content, protocol), np.uint8)
    check_lengths(whole)
    with pytest.raises(ValueError, match='states a length or place that is not in it'):
        check_lengths(whole[: int(cut * len(whole))])
