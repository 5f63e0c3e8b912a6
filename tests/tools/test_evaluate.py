"""tools/evaluate.py from the command line: scores, comparisons, every layout, and what it says when it cannot."""

import json
from dataclasses import replace

import numpy as np
import pytest

from project.commands.occ_evaluate import main
from project.evaluation.protocols import Volume, build_protocol, total
from project.evaluation.protocols.posed_keyframes import OriginFinder, read_keyframes
from project.evaluation.protocols.submissions import write_dense
from project.formats import FORMATS, Keyframe, OccupancyLabels, infos
from project.sources.nuscenes.source import NuScenesSource
from project.taxonomy import FREE

KEYFRAMES = [Keyframe('scene-0103', 'aa', f'bb{i}', f'cc{i}', f'n__LIDAR_TOP__{i}.pcd.bin') for i in range(3)]


def random_volume(seed: int, base: Volume | None = None) -> Volume:
    """A ground plane with walls on it; with a base, that with a third of its voxels drawn anew."""
    rng = np.random.default_rng(seed)
    grid = FORMATS['occ3d'].GRID
    semantics = np.full(grid.shape, FREE, np.uint8)
    semantics[:, :, 1] = rng.integers(11, 15)
    walls = rng.random(grid.shape) < 0.002
    semantics[walls] = rng.integers(1, 17, walls.sum())
    flow = np.where((semantics < 9)[..., None], rng.normal(size=(*grid.shape, 2)), 0).astype(np.float32)
    if base is not None:
        kept = rng.random(grid.shape) < 0.7
        semantics, flow = np.where(kept, base.semantics, semantics), np.where(kept[..., None], base.flow, flow)
    return Volume(semantics, flow, rng.random(grid.shape) < 0.5)


@pytest.fixture(scope='module')
def case(tmp_path_factory):
    """Labels of three keyframes in two formats, predictions of two methods, and the index of the split."""
    root = tmp_path_factory.mktemp('case')
    truths = [random_volume(i) for i in range(3)]
    predictions = [[random_volume(10 * (m + 1) + i, truths[i]) for i in range(3)] for m in range(2)]
    grid = FORMATS['occ3d'].GRID
    for keyframe, truth in zip(KEYFRAMES, truths, strict=True):
        labels = OccupancyLabels.from_dense(grid, truth.semantics, mask_camera=truth.mask_camera)
        labels.flow = truth.flow[truth.semantics != FREE]
        for name in ('occ3d', 'openocc'):
            FORMATS[name].write(root / 'labels' / FORMATS[name].path(keyframe), labels)
    for m, volumes in enumerate(predictions):
        for keyframe, volume in zip(KEYFRAMES, volumes, strict=True):
            plain = replace(volume, flow=None)
            write_dense(root / f'method{m}' / f'{keyframe.sample_token}.npz', plain)
            file = root / f'openocc{m}' / f'{keyframe.sample_token}.npz'
            write_dense(file, volume, 'pred', openocc_classes=True)
    infos.write(root / 'val.pkl', infos.scene_infos([record(i) for i in range(3)]), infos.metainfo('v1.0-mini'))
    return root, truths, predictions


def record(i: int) -> infos.KeyframeRecord:
    ego_from_lidar, global_from_ego = np.eye(4), np.eye(4)
    ego_from_lidar[:3, 3] = 0.94, 0, 1.84
    global_from_ego[:2, 3] = 400 + 6.3 * i, 1100 + 0.7 * i
    no_boxes = infos.BoxRecords(
        (), (), np.zeros((0, 4, 4)), np.zeros((0, 3)), np.zeros(0, np.int64), np.zeros(0, np.int64)
    )
    return infos.KeyframeRecord(KEYFRAMES[i], 1_500_000 * i, ego_from_lidar, global_from_ego, {}, no_boxes)


def run(tmp_path, *arguments) -> dict:
    """Scores of each method as the program writes them."""
    assert main([*map(str, arguments), '--json', str(tmp_path / 'scores.json'), '--workers', '2']) == 0
    return json.loads((tmp_path / 'scores.json').read_text())['methods']


def expected(protocol, truths, predictions, origins=(None, None, None)) -> dict:
    frames = zip(truths, predictions, origins, strict=True)
    counts = total(protocol.count(guess, protocol.prepare(truth, start), start) for truth, guess, start in frames)
    return json.loads(json.dumps(protocol.score(counts, 3).as_json()))


def test_occ3d_with_and_without_the_camera_mask(case, tmp_path, capsys):
    root, truths, predictions = case
    for options, mask, said in ([], True, 'camera mask'), (['--no-mask'], False, 'no mask'):
        scores = run(tmp_path, root / 'method0', root / 'labels', '--protocol', 'occ3d', *options)
        assert scores[str(root / 'method0')] == expected(build_protocol('occ3d', mask), truths, predictions[0])
        assert said in capsys.readouterr().out


def test_rays_from_the_lidar_poses_of_the_scene(case, tmp_path):
    root, truths, predictions = case
    protocol = build_protocol('rayiou')
    finder = OriginFinder(read_keyframes(root / 'val.pkl'))
    origins = [finder(keyframe.sample_token, protocol.grid) for keyframe in KEYFRAMES]
    np.testing.assert_allclose(origins[1], [(-5.36, -0.7, 1.84), (0.94, 0, 1.84), (7.24, 0.7, 1.84)])
    scores = run(tmp_path, root / 'method0', root / 'labels', '--protocol', 'rayiou', '--infos', root / 'val.pkl')
    assert scores[str(root / 'method0')] == expected(protocol, truths, predictions[0], origins)


def test_rays_written_to_a_file_score_the_same(case, tmp_path):
    root, _, _ = case
    options = ['--protocol', 'openocc', '--infos', root / 'val.pkl']
    direct = run(tmp_path, root / 'openocc1', root / 'labels', *options, '--write', 'rays', tmp_path / 'ours.gz')
    truth = tmp_path / 'truth.gz'
    run(tmp_path, root / 'labels' / 'openocc_v2', root / 'labels', *options, '--write', 'rays', truth)
    from_files = run(tmp_path, tmp_path / 'ours.gz', truth, '--protocol', 'openocc')
    assert list(direct.values()) == list(from_files.values())
    assert 0 < direct[str(root / 'openocc1')]['summary']['OccScore'] < 100


@pytest.mark.parametrize('layout', ['submission', 'sparseocc', 'occ3d'])
def test_predictions_written_in_another_layout_score_the_same(case, tmp_path, layout):
    root, _, _ = case
    options = ['--protocol', 'occ3d', '--infos', root / 'val.pkl']
    before = run(tmp_path, root / 'method0', root / 'labels', *options, '--write', layout, tmp_path / layout)
    after = run(tmp_path, tmp_path / layout, root / 'labels', *options)
    assert list(before.values()) == list(after.values())


def test_openocc_predictions_written_as_labels_score_the_same(case, tmp_path):
    root, _, _ = case
    options = ['--protocol', 'openocc', '--infos', root / 'val.pkl']
    before = run(tmp_path, root / 'openocc0', root / 'labels', *options, '--write', 'openocc', tmp_path / 'out')
    assert (tmp_path / 'out' / FORMATS['openocc'].path(KEYFRAMES[0])).is_file()
    after = run(tmp_path, tmp_path / 'out', root / 'labels', *options)
    assert list(before.values()) == list(after.values())


def test_two_methods_side_by_side(case, tmp_path, capsys):
    root, truths, predictions = case
    methods = root / 'method0', root / 'method1'
    scores = run(tmp_path, root / 'labels', '--compare', *methods, '--protocol', 'occ3d')
    for method, predicted in zip(methods, predictions, strict=True):
        assert scores[str(method)] == expected(build_protocol('occ3d'), truths, predicted)
    assert 'difference' in capsys.readouterr().out


def test_poses_from_nuscenes_itself(tiny_world, tmp_path):
    dataset = NuScenesSource(tiny_world)
    records = [record for scene in dataset.scenes for record in scene.records]
    volume = random_volume(0)
    for posed in records:
        labels = OccupancyLabels.from_dense(FORMATS['occ3d'].GRID, volume.semantics)
        FORMATS['occ3d'].write(tmp_path / FORMATS['occ3d'].path(posed.keyframe), labels)
    infos.write(tmp_path / 'all.pkl', infos.scene_infos(records), infos.metainfo('v1.0-mini'))
    arguments = [tmp_path, tmp_path, '--protocol', 'rayiou']
    from_tables = run(tmp_path, *arguments, '--dataroot', tiny_world)
    assert from_tables == run(tmp_path, *arguments, '--infos', tmp_path / 'all.pkl')
    both = tmp_path / 'both'
    both.mkdir()
    for version in ('v1.0-mini', 'v1.0-trainval'):
        (both / version).symlink_to(tiny_world / dataset.version)
    (both / 'samples').symlink_to(tiny_world / 'samples')
    assert from_tables == run(tmp_path, *arguments, '--dataroot', both, '--version', 'v1.0-trainval')
    assert from_tables[str(tmp_path)]['summary']['RayIoU'] == 100


def test_predictions_of_a_test_are_scored_like_those_in_the_order_of_openocc(case, tmp_path):
    root, _, predictions = case
    for keyframe, volume in zip(KEYFRAMES, predictions[0], strict=True):
        write_dense(tmp_path / 'ours' / f'{keyframe.sample_token}.npz', volume)  # as tools/test.py writes them
    options = [root / 'labels', '--protocol', 'openocc', '--infos', root / 'val.pkl']
    (ours,) = run(tmp_path, tmp_path / 'ours', *options).values()
    (theirs,) = run(tmp_path, root / 'openocc0', *options).values()
    assert ours == theirs and 0 < ours['summary']['mAVE, m/s'] < 99


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['method0', 'labels', '--protocol', 'rayiou'], '--infos'),
        (['method0', 'labels', '--protocol', 'surroundocc'], 'no labels for the protocol surroundocc'),
        (['absent', 'labels', '--protocol', 'occ3d'], 'absent: there are no predictions'),
        (['openocc0', 'labels', '--protocol', 'baseline'], 'no labels for the protocol baseline'),
        (['method0', 'labels', '--protocol', 'occ3d', '--write', 'openocc', 'out'], 'scene_name'),
        (['labels/gts', 'labels', '--protocol', 'occ3d', '--device', 'banana'], 'device banana: torch cannot use it'),
        (['labels/gts', 'labels', '--protocol', 'occ3d', '--device', 'cuda:99'], 'device cuda:99: torch cannot'),
        (['method0', 'labels', '--protocol', 'occ3d', '--json', 'val.pkl/x'], 'val.pkl is a file, not a folder'),
        (['method0', 'labels', '--protocol', 'occ3d', '--write', 'occ3d', 'val.pkl'], 'val.pkl is a file'),
    ],
)
def test_what_cannot_be_scored_is_said(case, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(case[0])
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith('error: ') and error.count('\n') == 1
    assert message in error


def test_labels_without_anything_to_score_are_said(case, tmp_path, capsys):
    root, truths, _ = case
    unseen = OccupancyLabels.from_dense(FORMATS['occ3d'].GRID, truths[0].semantics)
    unseen.mask_camera = np.zeros(unseen.grid.shape, bool)
    FORMATS['occ3d'].write(tmp_path / FORMATS['occ3d'].path(KEYFRAMES[0]), unseen)
    one = tmp_path / 'one'
    one.mkdir()
    (one / 'bb0.npz').symlink_to(root / 'method0' / 'bb0.npz')
    assert main([str(one), str(tmp_path), '--protocol', 'occ3d']) == 2
    captured = capsys.readouterr()
    assert 'holds nothing to score of any class (occ3d: 17 classes, only voxels of the camera mask)' in captured.err
    assert captured.out == ''


def test_tables_in_markdown(case, capsys):
    root, _, _ = case
    arguments = ['--protocol', 'occ3d', '--markdown']
    assert main([str(root / 'method0'), str(root / 'labels'), *arguments]) == 0
    single = capsys.readouterr().out.splitlines()
    assert '| class | IoU |' in single and '| --- | ---: |' in single
    assert main([str(root / 'labels'), '--compare', str(root / 'method0'), str(root / 'method1'), *arguments]) == 0
    compared = capsys.readouterr().out.splitlines()
    rows = [line for line in compared if line.startswith('|')]
    assert {row.count('|') for row in rows} == {5}
    assert any(row.startswith('| car | ') for row in rows)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['a'], 'give PREDICTIONS and LABELS'),
        (['a', 'b', '--write', 'rar', 'c'], '--write takes'),
        (['a', '--compare', 'b', './b'], 'b and b are the same'),
        (['a', 'b', '--shape', '0', '100', '8'], '--shape'),
        (['a', 'b', '--workers', '0'], '--workers'),
    ],
)
def test_wrong_command_lines(capsys, arguments, message):
    with pytest.raises(SystemExit) as error:
        main([*arguments, '--protocol', 'occ3d'])
    assert error.value.code == 2
    assert message in capsys.readouterr().err
