"""Folders of labels and predictions, recognised by what is in them."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from project.formats import FORMATS, Keyframe, OccupancyLabels, infos, points
from project.taxonomy import FREE
from project.visualization.sources.label_folders import FolderFrames, grid_of_shape

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


def write_index(root: Path, numbers: tuple[int, ...] = (0, 1, 2)) -> None:
    """The index that data_converter.py writes beside labels."""
    none = infos.BoxRecords((), (), np.zeros((0, 4, 4)), np.zeros((0, 3)), np.zeros(0, np.int64), np.zeros(0, np.int64))
    records = [infos.KeyframeRecord(keyframe(i), 500_000 * i, np.eye(4), np.eye(4), {}, none) for i in numbers]
    infos.write(root / 'nuscenes_infos_val.pkl', infos.scene_infos(records), infos.metainfo('v1.0-mini'))


@pytest.mark.parametrize('name', FORMATS)
def test_every_format_is_recognised_and_read(tmp_path: Path, name: str):
    source = FolderFrames(write_labels(tmp_path, name))
    ((scene, tokens),) = source.scenes.items()
    assert len(tokens) == 2
    frame = source.frame(scene, 1)
    assert frame.grid.frame == ('ego' if name in ('occ3d', 'openocc') else 'lidar')
    assert np.argwhere(frame.truth == CAR).shape == (1, 3)
    assert frame.prediction is None


@pytest.mark.parametrize('name', FORMATS)
def test_the_index_beside_labels_names_scenes_and_sets_the_order(tmp_path: Path, name: str):
    write_index(write_labels(tmp_path, name))
    assert FolderFrames(tmp_path).scenes == {'scene-0007': [keyframe(0).sample_token, keyframe(1).sample_token]}


def test_the_index_is_found_from_the_first_level_too(tmp_path: Path):
    write_index(write_labels(tmp_path, 'voxels'))
    tokens = FolderFrames(tmp_path / 'voxels').scenes['scene-0007']
    assert tokens == [keyframe(0).sample_token, keyframe(1).sample_token]


def test_what_the_index_does_not_know_comes_last(tmp_path: Path):
    write_index(write_labels(tmp_path, 'occ3d', (0, 1, 2)), (1, 2))
    assert FolderFrames(tmp_path).scenes['scene-0007'] == [keyframe(i).sample_token for i in (1, 2, 0)]


def test_an_index_of_another_program_is_left_alone(tmp_path: Path):
    write_labels(tmp_path, 'occ3d')
    (tmp_path / 'nuscenes_infos_val.pkl').write_bytes(pickle.dumps({'infos': []}))
    assert FolderFrames(tmp_path).scenes['scene-0007'] == [keyframe(i).sample_token for i in (1, 0)]


def test_a_folder_of_several_formats_obeys_the_choice(tmp_path: Path):
    write_labels(write_labels(tmp_path, 'voxels'), 'occ3d')
    assert FolderFrames(tmp_path).frame('scene-0007', 0).grid == FORMATS['voxels'].GRID
    assert FolderFrames(tmp_path, label_format='occ3d').frame('scene-0007', 0).grid == FORMATS['occ3d'].GRID


def test_predictions_stand_beside_their_labels(tmp_path: Path):
    truth = write_labels(tmp_path / 'labels', 'occ3d')
    folder = write_predictions(tmp_path / 'predictions', (200, 200, 16), (1,))
    source = FolderFrames(folder, truth)
    assert source.scenes == {'scene-0007': [keyframe(1).sample_token]}
    frame = source.frame('scene-0007', 0)
    np.testing.assert_array_equal(frame.truth, frame.prediction)
    assert [layer.name for layer in frame.layers] == ['truth', 'prediction', 'difference']


@pytest.mark.parametrize('name', FORMATS)
def test_predictions_in_a_label_format_are_compared(tmp_path: Path, name: str):
    truth = write_labels(tmp_path / 'labels', name)
    folder = write_labels(tmp_path / 'predictions', name, (1,))
    source = FolderFrames(folder, truth)
    frame = source.frame(next(iter(source.scenes)), 0)
    assert [layer.name for layer in frame.layers] == ['truth', 'prediction', 'difference']
    np.testing.assert_array_equal(frame.truth, frame.prediction)


def test_predictions_and_labels_that_name_keyframes_differently_meet_by_the_index(tmp_path: Path):
    truth = write_labels(tmp_path / 'labels', 'surroundocc')
    folder = write_predictions(tmp_path / 'predictions', (200, 200, 16), (1,))
    with pytest.raises(ValueError, match='none of its predictions is of a keyframe .*; give --dataroot'):
        FolderFrames(folder, truth)
    write_index(truth)
    frame = FolderFrames(folder, truth).frame('scene-0007', 0)
    assert (frame.token, frame.grid) == (keyframe(1).sample_token, FORMATS['surroundocc'].GRID)
    assert frame.compared


def test_several_layouts_of_predictions_are_refused(tmp_path: Path):
    truth = write_labels(tmp_path / 'labels', 'occ3d')
    with pytest.raises(ValueError, match='several layouts: voxels and occ3d'):
        FolderFrames(write_labels(write_labels(tmp_path / 'both', 'voxels'), 'occ3d'), truth)


@pytest.mark.parametrize('array', ['arr_0', 'pred', 'semantics'])
def test_predictions_of_every_name(tmp_path: Path, array: str):
    np.savez_compressed(tmp_path / f'{"0" * 32}.npz', **{array: np.full((7, 5, 3), CAR, np.uint8)})
    frame = FolderFrames(tmp_path).frame(tmp_path.name, 0)
    assert (frame.prediction == CAR).all()


@pytest.mark.parametrize('name', ['voxels', 'points'])
def test_labels_are_brought_to_the_grid_of_the_prediction(tmp_path: Path, name: str):
    truth = write_labels(tmp_path / 'labels', name)
    write_index(truth)
    folder = write_predictions(tmp_path / 'predictions', (128, 128, 10))
    frame = FolderFrames(folder, truth).frame('scene-0007', 0)
    assert frame.grid.voxel_size == pytest.approx((0.8, 0.8, 0.8))
    expected = (25, 22, 2) if name == 'voxels' else (76, 64, 6)
    assert np.argwhere(frame.truth == CAR).tolist() == [list(expected)]


def test_predictions_alone_lie_on_the_grid_of_their_shape(tmp_path: Path):
    source = FolderFrames(write_predictions(tmp_path / 'predictions', (200, 200, 16)))
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


def test_bad_folders_are_refused_with_a_reason(tmp_path: Path):
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ValueError, match='neither labels .* nor predictions'):
        FolderFrames(tmp_path / 'empty')
    labels = write_labels(tmp_path / 'labels', 'occ3d')
    with pytest.raises(ValueError, match=r'holds no labels; looked for voxels/\*/\*.npz'):
        FolderFrames(labels, label_format='voxels')
    with pytest.raises(ValueError, match='empty: not nuScenes'):
        FolderFrames(labels, dataroot=tmp_path / 'empty')
    folder = write_predictions(tmp_path / 'predictions', (400, 400, 32))
    with pytest.raises(ValueError, match=r'labels.npz: .*cannot fill voxels of .*0.2'):
        FolderFrames(folder, labels).frame('scene-0007', 0)


def test_damaged_predictions_are_named(tmp_path: Path):
    folder = write_predictions(tmp_path / 'predictions', (200, 200, 16), (0,))
    file = folder / f'{keyframe(0).sample_token}.npz'
    np.savez_compressed(file, other=np.zeros(3))
    with pytest.raises(ValueError, match=r'npz: not a prediction.* arrays arr_0, pred, semantics'):
        FolderFrames(folder).frame('predictions', 0)
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(ValueError, match=f'{file.name}: not a prediction'):
        FolderFrames(folder).frame('predictions', 0)
