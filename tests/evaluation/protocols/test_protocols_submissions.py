"""Dense submissions and files of rays: what is written reads back, and other files are refused."""

import gzip
import os
import pickle

import numpy as np
import pytest

from project.evaluation.protocols import RayReadings, Volume
from project.evaluation.protocols.submissions import read_dense, read_rays, write_dense, write_rays
from project.grid import VoxelGrid
from project.taxonomy import OPENOCC_CLASSES

GRID = VoxelGrid('ego', (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (7, 5, 3))


def random_volume(lowest: int = 0) -> Volume:
    rng = np.random.default_rng(0)
    return Volume(rng.integers(lowest, 18, GRID.shape, np.uint8), rng.normal(size=(*GRID.shape, 2)).astype(np.float32))


@pytest.mark.parametrize('name', ['arr_0', 'pred'])
def test_dense_round_trip(tmp_path, name):
    volume = random_volume()
    write_dense(tmp_path / 'a.npz', volume, name)
    back = read_dense(tmp_path / 'a.npz', GRID)
    np.testing.assert_array_equal(back.semantics, volume.semantics)
    np.testing.assert_array_equal(back.flow, volume.flow)
    with np.load(tmp_path / 'a.npz') as file:
        assert name in file.files and file[name].dtype == np.uint8


def test_dense_in_the_class_order_of_openocc(tmp_path):
    volume = random_volume(lowest=1)
    write_dense(tmp_path / 'a.npz', volume, openocc_classes=True)
    with np.load(tmp_path / 'a.npz') as file:
        assert (file['arr_0'] == OPENOCC_CLASSES.index('free')).sum() == (volume.semantics == 17).sum()
    np.testing.assert_array_equal(
        read_dense(tmp_path / 'a.npz', GRID, openocc_classes=True).semantics, volume.semantics
    )


def test_where_openocc_is_scored_dense_labels_are_told_by_their_free(tmp_path):
    volume = random_volume()
    write_dense(tmp_path / 'a.npz', volume)
    np.testing.assert_array_equal(
        read_dense(tmp_path / 'a.npz', GRID, openocc_classes=True).semantics, volume.semantics
    )


def test_dense_of_other_integers_as_benchmarks_read_them(tmp_path):
    np.savez_compressed(tmp_path / 'a.npz', random_volume().semantics.astype(np.int64))
    back = read_dense(tmp_path / 'a.npz', GRID)
    assert back.semantics.dtype == np.uint8 and back.flow is None


@pytest.mark.parametrize(
    ('arrays', 'openocc_classes', 'message'),
    [
        ({'arr_0': np.zeros((5, 7, 3), np.uint8)}, False, r'shape \(5, 7, 3\); this protocol scores \(7, 5, 3\)'),
        ({'arr_0': np.full((7, 5, 3), 18, np.uint8)}, False, 'other values than labels 0-17'),
        ({'pred': np.full((7, 5, 3), 18, np.uint8)}, True, 'other values than labels 0-17'),
        ({'pred': np.zeros((7, 5, 3), np.float32)}, False, 'float32'),
        ({'occ': np.zeros((7, 5, 3), np.uint8)}, False, 'not none'),
        ({'pred': np.zeros((7, 5, 3), np.uint8), 'arr_0': np.zeros((7, 5, 3), np.uint8)}, False, 'exactly one'),
        ({'pred': np.zeros((7, 5, 3), np.uint8), 'flow': np.zeros((7, 5, 3))}, False, '"flow" has the shape'),
    ],
)  # fmt: skip
def test_other_dense_files_are_refused(tmp_path, arrays, openocc_classes, message):
    np.savez(tmp_path / 'a.npz', **arrays)
    with pytest.raises(ValueError, match=message) as error:
        read_dense(tmp_path / 'a.npz', GRID, openocc_classes)
    assert 'a.npz' in str(error.value)


def test_rays_round_trip_in_half_precision(tmp_path):
    rng = np.random.default_rng(0)
    rays = RayReadings(rng.integers(1, 18, 40).astype(np.uint8), rng.uniform(0, 60, 40).astype(np.float32))
    write_rays(tmp_path / 'a.gz', [('aa', rays)], {'team': 'ours'})
    back = read_rays(tmp_path / 'a.gz')
    np.testing.assert_array_equal(back['aa'].classes, rays.classes)
    np.testing.assert_array_equal(back['aa'].depths, rays.depths.astype(np.float16))
    assert (back['aa'].flow == 0).all()
    with gzip.open(tmp_path / 'a.gz') as file:
        content = pickle.load(file)
    assert content['team'] == 'ours' and content['institution / company'] == ''
    assert {name: array.dtype for name, array in content['results']['aa'].items()} == {
        'pcd_cls': np.uint8, 'pcd_dist': np.float16, 'pcd_flow': np.float16
    }  # fmt: skip


def test_rays_in_any_protocol_of_pickle_read(tmp_path):
    rays = {
        'pcd_cls': np.zeros(3, np.uint8),
        'pcd_dist': np.ones(3, np.float16),
        'pcd_flow': np.zeros((3, 2), np.float16),
    }
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        with gzip.open(tmp_path / 'a.gz', 'wb') as file:
            pickle.dump({'results': {'aa': rays}}, file, protocol=protocol)
        assert (read_rays(tmp_path / 'a.gz')['aa'].depths == 1).all()


class Harmful:
    def __reduce__(self):
        return os.system, ('true',)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ({'results': {'aa': Harmful()}}, 'asks for .*system'),
        ({'predictions': {}}, 'no "results"'),
        ({'results': {'aa': {'pcd_cls': np.zeros(3, np.uint8)}}}, 'aa has no pcd_dist, pcd_flow'),
        (
            {'results': {'aa': {'pcd_cls': np.zeros(3), 'pcd_dist': np.zeros(2), 'pcd_flow': np.zeros((3, 2))}}},
            'have the shapes',
        ),
        (
            {'results': {'aa': {'pcd_cls': np.full(3, 17), 'pcd_dist': np.zeros(3), 'pcd_flow': np.zeros((3, 2))}}},
            'classes 0-16',
        ),
    ],
)
def test_other_files_of_rays_are_refused(tmp_path, content, message):
    with gzip.open(tmp_path / 'a.gz', 'wb') as file:
        pickle.dump(content, file)
    with pytest.raises(ValueError, match=message) as error:
        read_rays(tmp_path / 'a.gz')
    assert 'a.gz' in str(error.value)


def test_a_file_that_is_not_gzip_is_refused(tmp_path):
    (tmp_path / 'a.gz').write_bytes(b'no')
    with pytest.raises(ValueError, match='OpenOcc submission'):
        read_rays(tmp_path / 'a.gz')
