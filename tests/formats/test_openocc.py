"""OpenOcc: its own class order, flow for every voxel, no noise."""

import numpy as np
import pytest

from project.formats import FORMATS, Keyframe, OccupancyLabels, openocc
from project.taxonomy import CLASSES, FREE, OPENOCC_CLASSES


def labels_with_flow(count: int = 400) -> OccupancyLabels:
    rng = np.random.default_rng(0)
    positions = np.sort(rng.choice(openocc.GRID.size, count, replace=False))
    classes = rng.permutation(np.arange(count) % 16 + 1).astype(np.uint8)
    flow = rng.normal(size=(count, 2)).astype(np.float32)
    return OccupancyLabels(openocc.GRID, openocc.GRID.unravel(positions), classes, flow=flow)


def test_round_trip(tmp_path):
    labels = labels_with_flow()
    openocc.write(tmp_path / 'labels.npz', labels)
    back = openocc.read(tmp_path / 'labels.npz')
    for name in ('indices', 'classes', 'flow'):
        np.testing.assert_array_equal(getattr(back, name), getattr(labels, name))
        assert getattr(back, name).dtype == getattr(labels, name).dtype
    assert back.mask_camera is None and back.mask_lidar is None


def test_file_is_as_published(tmp_path):
    labels = labels_with_flow()
    openocc.write(tmp_path / 'labels.npz', labels)
    with np.load(tmp_path / 'labels.npz') as file:
        assert set(file.files) == {'semantics', 'flow'}
        assert file['semantics'].dtype == np.uint8 and file['semantics'].shape == (200, 200, 16)
        assert file['flow'].dtype == np.float32 and file['flow'].shape == (200, 200, 16, 2)
        x, y, z = labels.indices[7]
        assert OPENOCC_CLASSES[file['semantics'][x, y, z]] == CLASSES[labels.classes[7] - 1]
        np.testing.assert_array_equal(file['flow'][x, y, z], labels.flow[7])
        assert (file['semantics'] == 16).sum() == openocc.GRID.size - len(labels.classes)
    keyframe = Keyframe('scene-0061', 'aa11', 'bb22', 'cc33', 'a.pcd.bin')
    assert FORMATS['openocc'].path(keyframe).as_posix() == 'openocc_v2/scene-0061/bb22/labels.npz'


def test_class_order_is_a_permutation_that_keeps_the_names():
    assert openocc.LABEL_OF_CLASS[OPENOCC_CLASSES.index('car')] == CLASSES.index('car') + 1
    np.testing.assert_array_equal(openocc.LABEL_OF_CLASS[openocc.CLASS_OF_LABEL[1:]], np.arange(1, 18))
    assert openocc.CLASS_OF_LABEL[0] == openocc.CLASS_OF_LABEL[FREE] == 16


def test_noise_becomes_free_and_flow_may_be_unknown(tmp_path):
    labels = labels_with_flow()
    labels.classes[:10], labels.flow = 0, None
    openocc.write(tmp_path / 'labels.npz', labels)
    back = openocc.read(tmp_path / 'labels.npz')
    np.testing.assert_array_equal(back.indices, labels.indices[10:])
    assert back.flow is None


@pytest.mark.parametrize(
    ('arrays', 'message'),
    [
        ({'semantics': np.full((200, 200, 16), 17, np.uint8)}, 'other values than the classes 0-16'),
        ({'semantics': np.zeros((200, 200, 16), np.float32)}, 'other values than the classes 0-16'),
        ({'semantics': np.zeros((16, 200, 200), np.uint8)}, r'shape \(16, 200, 200\)'),
        ({'flow': np.zeros((200, 200, 16, 2))}, 'no array "semantics"'),
        (
            {'semantics': np.full((200, 200, 16), 16, np.uint8), 'flow': np.zeros((200, 200, 16))},
            '"flow" has the shape',
        ),
    ],
)
def test_other_files_are_refused(tmp_path, arrays, message):
    np.savez(tmp_path / 'labels.npz', **arrays)
    with pytest.raises(ValueError, match=message) as error:
        openocc.read(tmp_path / 'labels.npz')
    assert 'labels.npz' in str(error.value)
