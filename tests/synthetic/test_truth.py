"""The ground truth of a synthetic world against its lidar and its pictures, which are made from the same solids."""

from pathlib import Path

import numpy as np
import pytest

from project.geometry.rigid import apply, inverse
from project.grid import VoxelGrid
from project.synthetic import Difficulties, WorldSettings
from project.synthetic.lidar import STATIC, cast
from project.synthetic.scene import build_scene
from project.synthetic.truth import keyframe_truth, load_scene, movable_surface
from project.taxonomy import FREE, LEARNING_MAP, MOVABLE

GRIDS = {
    'ego': VoxelGrid.from_range('ego', (-20, -14, -1, 24, 18, 5.4), 0.4),
    'lidar': VoxelGrid.from_range('lidar', (-13, -20, -5, 17, 26, 3), (0.5, 0.4, 0.25)),
}


@pytest.fixture(scope='module')
def hilly_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Settings alone make the truth; no sensor data are needed."""
    root = tmp_path_factory.mktemp('hilly')
    WorldSettings.tiny(seed=3, difficulties=Difficulties.all()).save(root)
    return root


@pytest.mark.parametrize('frame', GRIDS)
@pytest.mark.parametrize('world', ['tiny_world', 'hilly_world'])
def test_beams_end_in_voxels_of_the_truth(world: str, frame: str, request: pytest.FixtureRequest) -> None:
    root, grid = request.getfixturevalue(world), GRIDS[frame]
    truth = keyframe_truth(root, 'scene-0061', 1, grid, window=0)
    scene = load_scene(root, 'scene-0061')
    returns, _ = cast(scene, 0.5)
    pose = scene.town_from_ego(0.5) @ (scene.rig.reference.ego_from_lidar if frame == 'lidar' else np.eye(4))
    kept = returns.actors >= STATIC
    indices, inside = grid.voxel_indices(apply(inverse(pose), returns.points[kept]))
    found = truth.semantics[tuple(indices.T)]
    assert len(indices) > 5000
    # Beams that end on the edge between two voxels may be counted for the other one.
    assert (found != FREE).mean() > 0.9995
    labels = np.array(LEARNING_MAP)[returns.raw[kept][inside]]
    assert (found == labels).mean() > 0.9
    moving = np.isin(labels, list(MOVABLE))
    assert truth.movable[tuple(indices[moving].T)].mean() > 0.999


def test_observable_grows_with_the_window_and_stays_inside_the_surface(tiny_world: Path) -> None:
    one, all_ = (keyframe_truth(tiny_world, 'scene-0103', 1, GRIDS['ego'], window) for window in (0, 10))
    assert (one.semantics == all_.semantics).all()
    assert (all_.observable | ~one.observable).all()
    assert all_.observable.sum() > 1.3 * one.observable.sum()
    assert not (all_.observable & all_.free).any()
    assert (all_.free == (all_.semantics == FREE)).all()


def test_movable_surface_lies_in_movable_voxels(tiny_world: Path) -> None:
    truth = keyframe_truth(tiny_world, 'scene-0061', 2, GRIDS['lidar'], window=0)
    triangles = movable_surface(tiny_world, 'scene-0061', 2, 'lidar')
    indices, _ = truth.grid.voxel_indices(triangles.mean(axis=1))
    # Wheels and soles reach some millimetres below the ground, where they are no surface.
    assert truth.movable[tuple(indices.T)].mean() > 0.98
    assert np.isin(truth.semantics, list(MOVABLE))[truth.movable].mean() > 0.5


def test_nothing_lies_below_the_ground(hilly_world: Path) -> None:
    scene = load_scene(hilly_world, 'scene-0061')
    truth = keyframe_truth(hilly_world, 'scene-0061', 0, GRIDS['ego'], window=0)
    occupied = np.argwhere(~truth.free)
    town = apply(scene.town_from_ego(0.0), truth.grid.centres(occupied))
    height = town[:, 2] - [scene.ground.height(x, y) for x, y, _ in town]
    # A voxel's corner is 0.35 m from its centre.
    assert height.min() > -0.4


def test_moving_objects_are_where_they_are_at_the_keyframe(tiny_world: Path) -> None:
    scene = build_scene(WorldSettings.load(tiny_world), 0)
    fast = [
        i
        for i in scene.present(0.5)
        if np.hypot(*(scene.actors[i].motion.at(0.5) - scene.actors[i].motion.at(0.4))[:2]) > 0.4
    ]
    assert fast
    grid = VoxelGrid.from_range('ego', (-80, -80, -1, 80, 80, 5.4), 0.4)
    truth = keyframe_truth(tiny_world, 'scene-0061', 1, grid, window=0)
    for index in fast:
        middle = scene.town_from_actor(index, 0.5) @ [0, 0, scene.shape(index).centre[2], 1]
        at = (inverse(scene.town_from_ego(0.5)) @ middle)[:3]
        cells, inside = grid.voxel_indices(at[None])
        if inside.all():
            x, y, _ = cells[0]
            assert truth.movable[x - 2 : x + 3, y - 2 : y + 3].any()


@pytest.mark.parametrize('root, scene, frame, error', [
    ('missing', 'scene-0061', 'ego', FileNotFoundError),
    ('world', 'scene-0002', 'ego', ValueError),
    ('world', 'scene-0061', 'global', ValueError),
])  # fmt: skip
def test_bad_requests_are_told(
    tiny_world: Path, tmp_path: Path, root: str, scene: str, frame: str, error: type
) -> None:
    grid = VoxelGrid(frame, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (7, 5, 3))
    with pytest.raises(error):
        keyframe_truth(tiny_world if root == 'world' else tmp_path, scene, 0, grid)
