"""Folders of labels and predictions, recognised by what is in them."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from project.formats import FORMATS, Keyframe, OccupancyLabels, points
from project.taxonomy import FREE
from project.visualization.sources import FolderSource, find_labels, grid_of_shape

CAR = 4


def keyframe(number: int) -> Keyframe:
    """Keyframes whose tokens fall as time goes on, so that order by name is not order by time."""
    token = f'{15 - number:032x}'
    file = f'n008-2018-01-01-00-00-00-0400__LIDAR_TOP__{1000 + number}.pcd.bin'
    return Keyframe('scene-0007', 'a' * 32, token, f'{number:032x}', file)


def one_car(grid, number: int) -> OccupancyLabels:
    return OccupancyLabels(grid, np.array([[100 + number, 90, 8]], np.int32), np.array([CAR], np.uint8))


def write_labels(root: Path, name: str, numbers: tuple[int, ...] = (0, 1)) -> Path:
    module = FORMATS[name]
    for number in numbers:
        if module is points:
            content = np.array([[10 + number, 0.1, 0.3, 1, 17]], np.float32)
        else:
            content = one_car(module.GRID, number)
        path = root / module.path(keyframe(number))
        path.parent.mkdir(parents=True, exist_ok=True)
        module.write(path, content)
    return root


def write_predictions(root: Path, shape: tuple[int, ...], numbers: tuple[int, ...] = (0, 1)) -> Path:
    root.mkdir()
    for number in numbers:
        codes = np.full(shape, FREE, np.uint8)
        codes[100 + number, 90, 8] = CAR
        np.savez_compressed(root / f'{keyframe(number).sample_token}.npz', codes)
    return root


@pytest.fixture
def dataroot():
    """Stands for a nuScenes folder of three keyframes."""
    scenes = {'scene-0007': [keyframe(number) for number in range(3)]}
    return SimpleNamespace(scenes=scenes, complete=lambda frame: frame)


@pytest.mark.parametrize('name', FORMATS)
def test_every_format_is_recognised_and_read(tmp_path: Path, name: str):
    source = FolderSource(write_labels(tmp_path, name))
    ((scene, tokens),) = source.scenes.items()
    assert len(tokens) == 2
    frame = source.frame(scene, 1)
    assert frame.grid.frame == ('ego' if name in ('occ3d', 'openocc') else 'lidar')
    assert np.argwhere(frame.truth == CAR).shape == (1, 3)
    assert frame.prediction is None


@pytest.mark.parametrize('name', FORMATS)
def test_a_dataset_names_scenes_and_sets_the_order(tmp_path: Path, name: str, dataroot):
    source = FolderSource(write_labels(tmp_path, name), dataroot=dataroot)
    assert source.scenes == {'scene-0007': [keyframe(0).sample_token, keyframe(1).sample_token]}


def test_the_first_level_of_a_format_is_a_root_too(tmp_path: Path):
    write_labels(tmp_path, 'occ3d')
    assert find_labels(tmp_path / 'gts')[0] is FORMATS['occ3d']


def test_a_folder_of_several_formats_obeys_the_choice(tmp_path: Path):
    write_labels(write_labels(tmp_path, 'voxels'), 'occ3d')
    assert find_labels(tmp_path)[0] is FORMATS['voxels']
    assert find_labels(tmp_path, label_format='occ3d')[0] is FORMATS['occ3d']


def test_predictions_stand_beside_their_labels(tmp_path: Path):
    truth = write_labels(tmp_path / 'labels', 'occ3d')
    folder = write_predictions(tmp_path / 'predictions', (200, 200, 16), (1,))
    source = FolderSource(folder, truth)
    assert source.scenes == {'scene-0007': [keyframe(1).sample_token]}
    frame = source.frame('scene-0007', 0)
    np.testing.assert_array_equal(frame.truth, frame.prediction)
    assert [layer.name for layer in frame.layers] == ['truth', 'prediction', 'difference']


@pytest.mark.parametrize('name', ['voxels', 'points'])
def test_labels_are_brought_to_the_grid_of_the_prediction(tmp_path: Path, name: str, dataroot):
    truth = write_labels(tmp_path / 'labels', name)
    folder = write_predictions(tmp_path / 'predictions', (128, 128, 10))
    frame = FolderSource(folder, truth, dataroot).frame('scene-0007', 0)
    assert frame.grid.voxel_size == pytest.approx((0.8, 0.8, 0.8))
    expected = (25, 22, 2) if name == 'voxels' else (76, 64, 6)
    assert np.argwhere(frame.truth == CAR).tolist() == [list(expected)]


def test_predictions_alone_lie_on_the_grid_of_their_shape(tmp_path: Path):
    source = FolderSource(write_predictions(tmp_path / 'predictions', (200, 200, 16)))
    frame = source.frame('predictions', 0)
    assert frame.truth is None
    assert frame.grid == FORMATS['occ3d'].GRID


@pytest.mark.parametrize(
    'shape, frame, extent, size',
    [
        ((200, 200, 16), None, (-40, -40, -1, 40, 40, 5.4), (0.4, 0.4, 0.4)),
        ((200, 200, 16), 'lidar', (-50, -50, -5, 50, 50, 3), (0.5, 0.5, 0.5)),
        ((512, 512, 40), None, (-51.2, -51.2, -5, 51.2, 51.2, 3), (0.2, 0.2, 0.2)),
        ((100, 100, 8), 'ego', (-40, -40, -1, 40, 40, 5.4), (0.8, 0.8, 0.8)),
        ((100, 100, 8), None, (-51.2, -51.2, -5, 51.2, 51.2, 3), (1.024, 1.024, 1.0)),
    ],
)
def test_grid_of_a_shape(shape, frame, extent, size):
    grid = grid_of_shape(shape, frame)
    assert grid.extent == pytest.approx(extent)
    assert grid.voxel_size == pytest.approx(size)
    assert grid.shape == shape


def test_bad_folders_are_refused_with_a_reason(tmp_path: Path, dataroot):
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ValueError, match='neither labels .* nor predictions'):
        FolderSource(tmp_path / 'empty')
    labels = write_labels(tmp_path / 'labels', 'occ3d')
    with pytest.raises(ValueError, match='none of its predictions is of a keyframe .*; give --dataroot'):
        FolderSource(
            write_predictions(tmp_path / 'others', (200, 200, 16)), write_labels(tmp_path / 'points', 'points')
        )
    with pytest.raises(ValueError, match='no label files of the formats voxels'):
        find_labels(labels, label_format='voxels')
    dataroot.scenes = {'scene-0007': [keyframe(9)]}
    with pytest.raises(ValueError, match='none of its 2 occ3d files'):
        FolderSource(labels, dataroot=dataroot)
    folder = write_predictions(tmp_path / 'predictions', (400, 400, 32))
    with pytest.raises(ValueError, match='cannot fill voxels of .*0.2'):
        FolderSource(folder, labels).frame('scene-0007', 0)


def test_damaged_predictions_are_named(tmp_path: Path):
    folder = write_predictions(tmp_path / 'predictions', (200, 200, 16), (0,))
    file = folder / f'{keyframe(0).sample_token}.npz'
    np.savez_compressed(file, other=np.zeros(3))
    with pytest.raises(ValueError, match=r'npz: not a prediction .* "arr_0" or "pred"'):
        FolderSource(folder).frame('predictions', 0)
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(ValueError, match=f'{file.name}: not a prediction'):
        FolderSource(folder).frame('predictions', 0)
