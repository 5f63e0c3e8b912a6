"""Which files of a folder are which keyframe, in every layout."""

import numpy as np
import pytest

from project.evaluation.protocols import build_protocol
from project.evaluation.protocols.inputs import open_labels, open_predictions
from project.evaluation.protocols.interface import Volume
from project.evaluation.protocols.scoring import match_keyframes
from project.evaluation.protocols.submissions import write_dense
from project.formats import FORMATS, Keyframe, OccupancyLabels, points
from project.taxonomy import FREE, RAW_NAMES

KEYFRAMES = [Keyframe('scene-0061', 'aa', f'bb{i}', f'cc{i}', f'n__LIDAR_TOP__{i}.pcd.bin') for i in range(3)]
PROTOCOL_OF = {'occ3d': 'occ3d', 'openocc': 'openocc', 'surroundocc': 'surroundocc', 'openoccupancy': 'openoccupancy'}
NAMED_BY = {'surroundocc': 'lidar_file', 'openoccupancy': 'lidar_token'}


def write_labels(root, layout: str, keyframes=KEYFRAMES) -> None:
    module = FORMATS[layout]
    for i, keyframe in enumerate(keyframes):
        indices = np.array([[1, 2, 3 + i]], np.int32)
        module.write(root / module.path(keyframe), OccupancyLabels(module.GRID, indices, np.array([4], np.uint8)))


@pytest.mark.parametrize('layout', PROTOCOL_OF)
def test_folders_of_label_formats(tmp_path, layout):
    write_labels(tmp_path, layout)
    (tmp_path / 'notes.txt').write_text('not a label')
    named_by = NAMED_BY.get(layout, 'sample_token')
    for source in (
        open_labels(tmp_path, build_protocol(PROTOCOL_OF[layout])),
        open_predictions(tmp_path, build_protocol(PROTOCOL_OF[layout])),
    ):
        assert (source.layout, source.named_by) == (layout, named_by)
        assert list(source.frames) == [getattr(keyframe, named_by) for keyframe in KEYFRAMES]
        assert source.read(getattr(KEYFRAMES[2], named_by)).semantics[1, 2, 5] == 4


@pytest.mark.parametrize('layout', ['occ3d', 'openocc', 'surroundocc'])
def test_the_folder_below_the_root_will_do(tmp_path, layout):
    write_labels(tmp_path, layout)
    below = tmp_path / FORMATS[layout].path(KEYFRAMES[0]).parts[0]
    assert len(open_labels(below, build_protocol(PROTOCOL_OF[layout])).frames) == 3


def test_labels_beside_those_of_other_formats(tmp_path):
    for layout in PROTOCOL_OF:
        write_labels(tmp_path, layout)
    assert open_labels(tmp_path, build_protocol('rayiou')).layout == 'occ3d'
    assert open_labels(tmp_path, build_protocol('openocc')).layout == 'openocc'


def test_baseline_labels_from_points_and_from_fine_voxels(tmp_path):
    protocol = build_protocol('baseline')
    car = RAW_NAMES.index('vehicle.car')
    points.write(tmp_path / 'a' / points.path(KEYFRAMES[0]), np.array([[10.0, -20.0, 0.5, 0, car]]))
    indices, _ = FORMATS['voxels'].GRID.voxel_indices(np.array([[10.0, -20.0, 0.5]]))
    labels = OccupancyLabels(FORMATS['voxels'].GRID, indices, np.array([4], np.uint8))
    FORMATS['voxels'].write(tmp_path / 'b' / FORMATS['voxels'].path(KEYFRAMES[0]), labels)
    (expected,), _ = protocol.grid.voxel_indices(np.array([[10.0, -20.0, 0.5]]))
    for folder, name in (('a', KEYFRAMES[0].lidar_file), ('b', KEYFRAMES[0].sample_token)):
        semantics = open_labels(tmp_path / folder, protocol).read(name).semantics
        assert semantics.shape == (100, 100, 8)
        np.testing.assert_array_equal(np.argwhere(semantics == 4), [expected])


def test_fine_voxels_on_another_shape_of_the_baseline(tmp_path):
    module = FORMATS['voxels']
    write_labels(tmp_path, 'voxels')
    odd = build_protocol('baseline', baseline_shape=(7, 5, 3))
    semantics = open_labels(tmp_path, odd).read('bb0').semantics
    assert semantics.shape == (7, 5, 3) and semantics[0, 0, 0] == 4 and (semantics.ravel()[1:] == FREE).all()
    finer = build_protocol('baseline', baseline_shape=tuple(2 * n for n in module.GRID.shape))
    with pytest.raises(ValueError, match='choose a coarser grid'):
        open_labels(tmp_path, finer).read('bb0')


def test_dense_submissions(tmp_path):
    protocol = build_protocol('occ3d')
    for keyframe in KEYFRAMES:
        write_dense(tmp_path / f'{keyframe.sample_token}.npz', Volume(np.full(protocol.grid.shape, 4, np.uint8)))
    source = open_predictions(tmp_path, protocol)
    assert source.layout == 'submission' and list(source.frames) == ['bb0', 'bb1', 'bb2']
    assert (source.read('bb1').semantics == 4).all()


def test_mixed_and_unknown_layouts_are_refused(tmp_path):
    write_labels(tmp_path, 'occ3d')
    write_dense(tmp_path / 'bb0.npz', Volume(np.zeros((200, 200, 16), np.uint8)))
    with pytest.raises(ValueError, match='mixed layouts: 1 of the layout submission and 3 of the layout occ3d'):
        open_predictions(tmp_path, build_protocol('occ3d'))
    with pytest.raises(ValueError, match=r'no labels for .* surroundocc; looked for samples/\*\.pcd\.bin\.npy'):
        open_labels(tmp_path, build_protocol('surroundocc'))
    with pytest.raises(FileNotFoundError, match='no predictions of that name'):
        open_predictions(tmp_path / 'absent', build_protocol('occ3d'))


def sources(tmp_path, predicted=KEYFRAMES, labelled=KEYFRAMES, layout='occ3d'):
    write_labels(tmp_path / 'predictions', 'occ3d', predicted)
    write_labels(tmp_path / 'labels', layout, labelled)
    predictions = open_predictions(tmp_path / 'predictions', build_protocol('occ3d'))
    return [predictions], open_labels(tmp_path / 'labels', build_protocol(PROTOCOL_OF[layout]))


def test_keyframes_that_both_have(tmp_path):
    predictions, labels = sources(tmp_path)
    assert [k.sample_token for k in match_keyframes(predictions, labels)] == ['bb0', 'bb1', 'bb2']
    assert match_keyframes(predictions, labels, KEYFRAMES[1:]) == KEYFRAMES[1:]


def test_missing_predictions_are_named_or_left_out_on_request(tmp_path):
    predictions, labels = sources(tmp_path, predicted=KEYFRAMES[:1])
    with pytest.raises(ValueError, match='predictions: lacks 2 of 3 keyframes to be scored.*--partial.*: bb1, bb2'):
        match_keyframes(predictions, labels)
    with pytest.raises(ValueError, match='lacks 1 of 2'):
        match_keyframes(predictions, labels, KEYFRAMES[:2])
    assert [k.sample_token for k in match_keyframes(predictions, labels, partial=True)] == ['bb0']


def test_keyframes_without_labels_are_left_out_on_request(tmp_path):
    predictions, labels = sources(tmp_path, labelled=KEYFRAMES[1:])
    for split in (None, KEYFRAMES[:2]):
        with pytest.raises(ValueError, match='labels: lacks 1 of .*--partial scores only those'):
            match_keyframes(predictions, labels, split)
    assert [k.sample_token for k in match_keyframes(predictions, labels, partial=True)] == ['bb1', 'bb2']
    assert match_keyframes(predictions, labels, KEYFRAMES[:2], partial=True) == KEYFRAMES[1:2]
    with pytest.raises(ValueError, match='no keyframe to score'):
        match_keyframes(predictions, labels, KEYFRAMES[:1], partial=True)


def test_missing_labels_are_named(tmp_path):
    predictions, labels = sources(tmp_path, labelled=KEYFRAMES[:1])
    for arguments in ([], [KEYFRAMES]):
        with pytest.raises(ValueError, match='labels: lacks 2 of 3 keyframes'):
            match_keyframes(predictions, labels, *arguments)


def test_sources_that_name_keyframes_differently_need_a_split(tmp_path):
    predictions, labels = sources(tmp_path, layout='surroundocc')
    with pytest.raises(ValueError, match='sample_token and .* by lidar_file.*--infos'):
        match_keyframes(predictions, labels)
    assert match_keyframes(predictions, labels, KEYFRAMES) == KEYFRAMES
