"""Every voxel format: round trips, paths, and what it says about files that are not its own."""

import os
from pathlib import Path

import numpy as np
import pytest

from project.formats import FORMATS, Keyframe, OccupancyLabels, occ3d, openocc, openoccupancy, surroundocc, voxels
from project.grid import VoxelGrid

KEYFRAME = Keyframe('scene-0061', 'aa11', 'bb22', 'cc33', 'n015__LIDAR_TOP__1.pcd.bin')
VOXEL_FORMATS = [module for name, module in FORMATS.items() if name != 'points']
OCC3D_REAL = Path(os.environ.get('OCCUPANCY_REAL', '../shared/real')) / 'occ3d_label' / 'labels.npz'

every_format = pytest.mark.parametrize('module', VOXEL_FORMATS, ids=lambda module: module.NAME)


def random_labels(grid: VoxelGrid, count: int = 500, seed: int = 0, lowest: int = 0, **extras) -> OccupancyLabels:
    """Labels with every class from the lowest to 16 at distinct random voxels of a grid."""
    rng = np.random.default_rng(seed)
    positions = np.sort(rng.choice(grid.size, count, replace=False))
    classes = np.arange(count, dtype=np.uint8) % (17 - lowest) + lowest
    return OccupancyLabels(grid, grid.unravel(positions), rng.permutation(classes), **extras)


@every_format
def test_round_trip(module, tmp_path):
    labels = random_labels(module.GRID, lowest=int(module is openocc))
    file = tmp_path / module.path(KEYFRAME)
    module.write(file, labels)
    back = module.read(file)
    assert back.grid == module.GRID
    np.testing.assert_array_equal(back.indices, labels.indices)
    np.testing.assert_array_equal(back.classes, labels.classes)
    assert back.indices.dtype == np.int32 and back.classes.dtype == np.uint8
    assert back.mask_lidar is None and back.mask_camera is None and back.flow is None


@every_format
def test_round_trip_without_any_voxel(module, tmp_path):
    module.write(tmp_path / 'empty', random_labels(module.GRID, count=0))
    back = module.read(tmp_path / 'empty')
    assert back.indices.shape == (0, 3) and back.classes.shape == (0,)
    assert (back.dense() == 17).all()


@every_format
def test_same_labels_same_bytes_and_no_other_files(module, tmp_path):
    for name in ('a', 'b'):
        module.write(tmp_path / name, random_labels(module.GRID))
    assert (tmp_path / 'a').read_bytes() == (tmp_path / 'b').read_bytes()
    assert sorted(file.name for file in tmp_path.iterdir()) == ['a', 'b']


@pytest.mark.parametrize('module', [occ3d, openocc, openoccupancy, surroundocc], ids=lambda module: module.NAME)
def test_labels_on_another_grid_are_refused(module, tmp_path):
    with pytest.raises(ValueError, match='the labels are on'):
        module.write(tmp_path / 'a', random_labels(VoxelGrid.from_range('lidar', (0, 0, 0, 7, 5, 3), 1), count=9))
    assert not any(tmp_path.iterdir())


@every_format
@pytest.mark.parametrize(
    'damage', [lambda content: content[: len(content) // 2], lambda content: b'', lambda content: b'what?']
)
def test_damaged_file_is_named(module, damage, tmp_path):
    file = tmp_path / 'label'
    module.write(file, random_labels(module.GRID))
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ValueError, match=f'{file}: not '):
        module.read(file)


@every_format
def test_missing_file_is_named(module, tmp_path):
    with pytest.raises(FileNotFoundError, match='nowhere'):
        module.read(tmp_path / 'nowhere')


def test_paths_are_those_of_the_published_data_sets():
    paths = {name: module.path(KEYFRAME).as_posix() for name, module in FORMATS.items()}
    assert paths['voxels'] == 'voxels/scene-0061/bb22.npz'
    assert paths['points'] == 'n015__LIDAR_TOP__1.pcd.bin'
    assert paths['occ3d'] == 'gts/scene-0061/bb22/labels.npz'
    assert paths['surroundocc'] == 'samples/n015__LIDAR_TOP__1.pcd.bin.npy'
    assert paths['openoccupancy'] == 'scene_aa11/occupancy/cc33.npy'


@pytest.mark.parametrize('module', [voxels, occ3d], ids=lambda module: module.NAME)
def test_masks_round_trip(module, tmp_path):
    rng = np.random.default_rng(1)
    masks = {name: rng.random(module.GRID.shape) < 0.3 for name in ('mask_lidar', 'mask_camera')}
    module.write(tmp_path / 'a', random_labels(module.GRID, **masks))
    back = module.read(tmp_path / 'a')
    for name, mask in masks.items():
        assert getattr(back, name).dtype == bool
        np.testing.assert_array_equal(getattr(back, name), mask)


@pytest.mark.parametrize('components', [2, 3])
def test_flow_round_trip(components, tmp_path):
    flow = np.random.default_rng(2).normal(size=(500, components)).astype(np.float32)
    labels = random_labels(voxels.GRID, flow=flow)
    voxels.write(tmp_path / 'a', labels)
    np.testing.assert_array_equal(voxels.read(tmp_path / 'a').flow, flow)
    openoccupancy.write(tmp_path / 'b', labels)
    back = openoccupancy.read(tmp_path / 'b')
    np.testing.assert_array_equal(back.flow[:, :components], flow)
    np.testing.assert_array_equal(back.classes, labels.classes)
    assert (back.flow[:, components:] == 0).all()


def test_openoccupancy_columns_run_z_y_x(tmp_path):
    labels = OccupancyLabels(openoccupancy.GRID, np.array([[500, 7, 3]], np.int32), np.array([4], np.uint8))
    openoccupancy.write(tmp_path / 'a', labels)
    np.testing.assert_array_equal(np.load(tmp_path / 'a'), [[3, 7, 500, 4]])


def test_foreign_lists_in_any_order_and_dtype_are_read(tmp_path):
    np.save(tmp_path / 'a.npy', np.array([[9, 8, 7, 16.0], [1, 2, 3, 0.0], [9, 8, 7, 2.0]]))
    labels = surroundocc.read(tmp_path / 'a.npy')
    np.testing.assert_array_equal(labels.indices, [[1, 2, 3], [9, 8, 7]])
    np.testing.assert_array_equal(labels.classes, [0, 16])


@pytest.mark.parametrize(
    'content, message',
    [
        (np.zeros((4, 5), int), 'shape'),
        (np.array([[200, 0, 0, 1]]), 'indices'),
        (np.array([[-1, 0, 0, 1]]), 'indices'),
        (np.array([[0.5, 0, 0, 1]]), 'indices'),
        (np.array([[0, 0, 0, 17]]), r'classes \[17\]'),
        (np.array([[0, 0, 0, -1]]), r'classes \[-1\]'),
        (np.array([[0, 0, 0, 1.5]]), r'classes \[1.5\]'),
    ],
)
def test_wrong_voxels_are_refused(content, message, tmp_path):
    np.save(tmp_path / 'a.npy', content)
    with pytest.raises(ValueError, match=message):
        surroundocc.read(tmp_path / 'a.npy')


@pytest.mark.parametrize(
    'arrays, message',
    [
        ({'other': np.zeros(3)}, '"semantics"'),
        ({'semantics': np.zeros((7, 5, 3), np.uint8)}, 'shape'),
        ({'semantics': np.full(occ3d.GRID.shape, 18, np.uint8)}, r'classes \[18\]'),
        ({'semantics': np.zeros(occ3d.GRID.shape, np.uint8), 'mask_lidar': np.zeros(4)}, '"mask_lidar"'),
    ],
)
def test_wrong_occ3d_arrays_are_refused(arrays, message, tmp_path):
    np.savez(tmp_path / 'a.npz', **arrays)
    with pytest.raises(ValueError, match=message):
        occ3d.read(tmp_path / 'a.npz')


@pytest.mark.parametrize(
    'arrays, message',
    [
        (
            {'mask_lidar': np.zeros(200 * 200 * 16 // 8, np.uint8)},
            r'"mask_lidar" is uint8 of shape \(80000,\), not uint8 of shape \(1310720,\)',
        ),
        ({'mask_camera': np.zeros(voxels.GRID.size, bool)}, '"mask_camera" is bool'),
        ({'mask_camera': np.zeros(voxels.GRID.size // 8, np.int32)}, '"mask_camera" is int32'),
        ({'flow': np.zeros((3, 2), np.float32)}, r'"flow" has the shape \(3, 2\)'),
        ({'flow': np.zeros((9, 4), np.float32)}, r'"flow" has the shape \(9, 4\)'),
        ({'flow': np.full((9, 2), 'fast')}, '"flow" holds <U4'),
        ({'classes': np.full(9, 'car')}, '"classes" holds <U3'),
        ({'indices': np.full((9, 3), 'a')}, '"indices" holds <U1'),
        ({'classes': np.zeros((9, 3), np.uint8)}, 'shape'),
    ],
)
def test_wrong_arrays_of_voxels_are_refused(arrays, message, tmp_path):
    labels = random_labels(voxels.GRID, count=9)
    np.savez(tmp_path / 'a.npz', **{'indices': labels.indices, 'classes': labels.classes} | arrays)
    with pytest.raises(ValueError, match=f'a.npz: not a label file .*{message}'):
        voxels.read(tmp_path / 'a.npz')


def test_failed_write_keeps_the_older_file(tmp_path, monkeypatch):
    voxels.write(tmp_path / 'a', random_labels(voxels.GRID))
    before = (tmp_path / 'a').read_bytes()

    def full_disk(*args, **kwargs):
        raise OSError('No space left on device')

    monkeypatch.setattr(np.lib.format, 'write_array', full_disk)
    with pytest.raises(OSError, match='No space left'):
        voxels.write(tmp_path / 'a', random_labels(voxels.GRID, seed=1))
    assert (tmp_path / 'a').read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ['a']


def test_voxels_file_is_plain_numpy(tmp_path):
    labels = random_labels(voxels.GRID)
    voxels.write(tmp_path / 'a.npz', labels)
    with np.load(tmp_path / 'a.npz') as content:
        np.testing.assert_array_equal(content['indices'], labels.indices)
        np.testing.assert_array_equal(content['classes'], labels.classes)


def test_manifest_states_grid_classes_and_settings(tmp_path):
    voxels.write_manifest(tmp_path, {'num_sweeps': 10})
    content = voxels.read_manifest(tmp_path)
    grid = content['grid']
    assert grid['frame'] == 'lidar' and grid['extent'] == [-51.2, -51.2, -5.0, 51.2, 51.2, 3.0]
    assert grid['voxel_size'] == [0.2, 0.2, 0.2] and grid['shape'] == [512, 512, 40]
    assert content['label_names'][4] == 'car' and content['settings'] == {'num_sweeps': 10}
    (tmp_path / 'voxels' / 'manifest.json').write_text('{"version": 2}')
    with pytest.raises(ValueError, match=r'manifest.json.*version 2'):
        voxels.read_manifest(tmp_path)


@pytest.mark.skipif(not OCC3D_REAL.exists(), reason='no real Occ3D file; set OCCUPANCY_REAL to its folder')
def test_real_occ3d_file_survives_reading_and_writing(tmp_path):
    occ3d.write(tmp_path / 'labels.npz', occ3d.read(OCC3D_REAL))
    with np.load(OCC3D_REAL) as real, np.load(tmp_path / 'labels.npz') as ours:
        assert sorted(real.files) == sorted(ours.files)
        for name in real.files:
            assert real[name].dtype == ours[name].dtype
            np.testing.assert_array_equal(real[name], ours[name])
