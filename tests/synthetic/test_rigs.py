"""The car with two lidars and four cameras: its sensors agree with each other, in both layouts of files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from project.geometry.rigid import apply, inverse
from project.grid import VoxelGrid
from project.sources.base import Scene
from project.sources.opening import open_source
from project.sources.point_labels import read_categories
from project.sources.returns import returns_of
from project.synthetic import Difficulties, WorldSettings, make_world
from project.synthetic.lidar import STATIC, cast, scan
from project.synthetic.scene import build_scene
from project.synthetic.truth import keyframe_truth, load_scene
from project.taxonomy import CLASSES, FREE, RAW_NAMES

SETTINGS = WorldSettings.tiny(rig='two-lidars', difficulties=Difficulties.all(False), image_size=(160, 90))
NAME = 'scene-0103'


@pytest.fixture(scope='module')
def worlds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One world in each layout."""
    roots = {layout: tmp_path_factory.mktemp(layout) for layout in ('nuscenes', 'folder')}
    for layout, root in roots.items():
        make_world(root, WorldSettings(**{**vars(SETTINGS), 'layout': layout}))
    return roots


@pytest.fixture(scope='module')
def scenes(worlds: dict[str, Path]) -> dict[str, Scene]:
    return {layout: open_source(root).load(NAME) for layout, root in worlds.items()}


def test_beams_are_measured_where_the_lidar_is_when_they_fire() -> None:
    made = build_scene(SETTINGS, 1)
    for channel, lidar in made.rig.lidars.items():
        sweep, (returns, _) = scan(made, channel, 7), cast(made, lidar.time(7), lidar)
        kept = returns.actors >= STATIC
        assert sweep.times_s.min() < -0.0999 and sweep.times_s.max() == 0
        apart = []
        for number in range(0, kept.sum(), 997):
            pose = made.town_from_ego(lidar.time(7) + sweep.times_s[number]) @ lidar.ego_from_lidar
            apart.append(apply(pose, sweep.measured[number].astype(float)) - returns.points[kept][number])
        # Between the poses that are told, 10 ms apart, the lidar moves straight on.
        assert np.abs(apart).max() < 2e-3
        moved = np.linalg.norm(sweep.measured - sweep.points[:, :3], axis=1)
        assert moved.max() > 0.3


def test_both_layouts_tell_of_the_same_points(scenes: dict[str, Scene]) -> None:
    tables, folder = scenes['nuscenes'], scenes['folder']
    assert [lidar.name for lidar in tables.rig.lidars] == [lidar.name for lidar in folder.rig.lidars]
    assert (tables.timestamps_us == folder.timestamps_us).all() and (tables.lidars == folder.lidars).all()
    assert (tables.keyframe_sweeps == folder.keyframe_sweeps).all() and (tables.time_steps == folder.time_steps).all()
    np.testing.assert_allclose(tables.global_from_ego, folder.global_from_ego, atol=1e-9)
    for sweep in range(len(tables.sweep_files)):
        given, deskewed = returns_of(tables, sweep).points, returns_of(folder, sweep).points
        assert np.abs(given[:, :3] - deskewed[:, :3]).max() < 3e-3
        assert (given[:, 3] == deskewed[:, 3]).all()
        if tables.label_files[sweep] is not None:
            raw = read_categories(tables, sweep, len(given))
            assert (raw == read_categories(folder, sweep, len(given))).all() and len(np.unique(raw)) > 5
    assert tables.taxonomy.categories == folder.taxonomy.categories == RAW_NAMES
    assert tables.taxonomy.labels == folder.taxonomy.labels == ('noise', *CLASSES)
    assert (tables.taxonomy.label_of == folder.taxonomy.label_of).all()


def test_the_lidars_end_their_turns_at_different_times(scenes: dict[str, Scene]) -> None:
    scene = scenes['folder']
    front, rear = scene.sweeps_of_lidars()
    start_us = scene.timestamps_us[scene.keyframe_sweeps[0]]
    assert (scene.timestamps_us[front] - start_us).tolist() == [100_000 * number for number in range(11)]
    assert (scene.timestamps_us[rear] - start_us).tolist() == [100_000 * number + 60_000 for number in range(10)]
    # The one of the rear that is 40 ms before a keyframe is of it, and labelled as well.
    labelled = [sweep for sweep, file in enumerate(scene.label_files) if file is not None]
    assert labelled == np.flatnonzero(np.isin(scene.time_steps, (0, 2, 4))).tolist() and len(labelled) == 5


def test_images_have_the_sizes_that_are_told(worlds: dict[str, Path], scenes: dict[str, Scene]) -> None:
    for layout, scene in scenes.items():
        assert set(scene.rig.cameras) == {'front', 'left', 'rear', 'right'}
        for record in scene.records:
            sizes = {name: Image.open(worlds[layout] / camera.file).size for name, camera in record.cameras.items()}
            assert sizes == {name: camera.size_px for name, camera in record.cameras.items()}
            assert sizes['front'] == sizes['rear'] == (160, 90) and sizes['left'] == sizes['right'] == (128, 72)


def test_boxes_are_the_same(scenes: dict[str, Scene]) -> None:
    boxes = []
    for scene in scenes.values():
        of_scene = [each for record in scene.records for each in zip(
            record.boxes.categories, *np.round(record.boxes.global_from_box[:, :3, 3], 6).T, strict=True)]  # fmt: skip
        boxes.append(sorted(of_scene))
    assert boxes[0] == boxes[1] and len(boxes[0]) > 20


def test_beams_of_both_lidars_end_in_voxels_of_the_truth(worlds: dict[str, Path]) -> None:
    grid = VoxelGrid.from_range('lidar', (-17, -24, -5, 19, 20, 3), (0.5, 0.4, 0.25))
    truth = keyframe_truth(worlds['folder'], NAME, 1, grid, window=0)
    scene = load_scene(worlds['folder'], NAME)
    lidar_from_town = inverse(scene.town_from_ego(0.5) @ scene.rig.reference.ego_from_lidar)
    for lidar in scene.rig.lidars.values():
        returns, _ = cast(scene, 0.5 - lidar.early_us * 1e-6, lidar)
        indices, _ = grid.voxel_indices(apply(lidar_from_town, returns.points[returns.actors == STATIC]))
        found = tuple(indices.T)
        assert len(indices) > 5000
        assert (truth.semantics[found] != FREE).mean() > 0.9995 and truth.observable[found].mean() > 0.9995


@pytest.mark.parametrize('wrong', [dict(rig='tank'), dict(layout='boxes')])
def test_unknown_rigs_and_layouts_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match='there are'):
        WorldSettings(**wrong)
