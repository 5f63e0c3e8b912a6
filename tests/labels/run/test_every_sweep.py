"""Labels at each sweep, and not only at keyframes."""

from dataclasses import replace

import numpy as np
import pytest
from handmade import EGO_FROM_LIDAR, START, WALL_POINTS, car_at, make_scene

from project.commands import occ_convert
from project.formats import FORMATS
from project.geometry.rigid import inverse
from project.labels.pipeline import label_scene
from project.labels.run.every_sweep import at_every_sweep
from project.labels.run.settings import Settings
from project.synthetic import WorldSettings, make_world

CAR, WALL = 4, 15


@pytest.fixture
def scene(tmp_path):
    return make_scene(tmp_path)


def labels_at(scene, root, **settings):
    """Labels of a scene by the token of the keyframe."""
    settings = Settings(root, refine_poses=False, **settings)
    label_scene(scene, settings)
    read = FORMATS['voxels'].read
    return {each.sample_token: read(root / FORMATS['voxels'].path(each)) for each in scene.keyframes}


def test_keyframes_have_the_same_labels_as_without(scene, tmp_path):
    alone = labels_at(scene, tmp_path / 'alone', flow=None)
    among = labels_at(at_every_sweep(scene), tmp_path / 'among', flow=None)
    assert len(alone) == 3 and len(among) == 5
    for keyframe in scene.keyframes:
        path = FORMATS['voxels'].path(keyframe)
        assert (tmp_path / 'alone' / path).read_bytes() == (tmp_path / 'among' / path).read_bytes()


@pytest.mark.parametrize('sweep', [1, 3])
def test_between_keyframes_the_car_is_where_it_was(scene, tmp_path, sweep):
    labels = labels_at(at_every_sweep(scene), tmp_path / 'labels', flow=True, instances=True)
    labels = labels[str(scene.timestamps_us[sweep])]
    lidar_from_global = inverse(scene.global_from_ego[sweep] @ EGO_FROM_LIDAR)
    wall = START + WALL_POINTS
    indices, _ = labels.grid.voxel_indices(wall @ lidar_from_global[:3, :3].T + lidar_from_global[:3, 3])
    assert set(map(tuple, indices)) <= set(map(tuple, labels.indices[labels.classes == WALL]))
    of_car = labels.classes == CAR
    in_box = np.column_stack([labels.grid.centres(labels.indices[of_car]), np.ones(of_car.sum())])
    in_box = in_box @ (inverse(car_at(sweep)) @ inverse(lidar_from_global)).T
    # The box is interpolated along a straight line and a turn; it is right to some centimetres, a voxel has 20.
    assert of_car.any() and (np.abs(in_box[:, :3]) < np.array([2.0, 1.0, 0.9]) + 0.15).all()
    assert set(labels.instances[of_car]) == {1}
    np.testing.assert_allclose(np.linalg.norm(labels.flow[of_car], axis=1), 8, atol=0.8)


def test_a_track_is_not_carried_beyond_its_annotations(tmp_path):
    scene = at_every_sweep(make_scene(tmp_path, track_at=(0, 1)))
    assert scene.tracks.present[:, 0].tolist() == [True, True, True, False, False]


def test_time_is_counted_by_the_annotated_keyframes(scene):
    every = at_every_sweep(scene)
    np.testing.assert_array_equal(every.time_steps, scene.time_steps)
    assert every.num_steps == scene.num_steps == 5
    assert [every.window(k, 1) for k in range(5)] == [(0, 2), (0, 3), (0, 4), (1, 4), (2, 4)]
    assert [scene.window(k, 1) for k in range(3)] == [(0, 2), (0, 4), (2, 4)]


def test_other_lidars_have_no_keyframes(scene):
    two = replace(scene, lidars=np.array([0, 1, 0, 1, 0]))
    np.testing.assert_array_equal(at_every_sweep(two).keyframe_sweeps, [0, 2, 4])


@pytest.mark.slow
def test_the_command(tmp_path, capsys):
    world, out = tmp_path / 'world', tmp_path / 'labels'
    make_world(world, WorldSettings(scenes=1, keyframes=3, images=False))
    command = ['--dataroot', str(world), '--save_path', str(out), '--every-sweep', '--workers', '1']
    assert occ_convert.main(command) == 0
    files = sorted(path.stem for path in (out / 'voxels').rglob('*.npz'))
    times = [int(name) for name in files if name.isdigit()]
    assert len(files) == 21 and len(times) == 18
    np.testing.assert_allclose(np.diff(sorted(times)), 50_000, atol=60_000)
    assert occ_convert.main([*command, '--format', 'occ3d']) == 2
    assert '--no-masks' in capsys.readouterr().err
