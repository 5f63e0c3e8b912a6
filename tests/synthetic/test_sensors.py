"""Lidar and cameras against the solids and against each other."""

from functools import cache

import numpy as np
import pytest

from project.geometry.rigid import apply, inverse
from project.synthetic import Difficulties, WorldSettings, rig
from project.synthetic.bvh import nearest
from project.synthetic.lidar import EGO, MISSED, STATIC, cast, scan
from project.synthetic.rasterizer import SKY, TOWN, render
from project.synthetic.scene import SyntheticScene, build_scene


@pytest.fixture(scope='module', params=[False, True], ids=['level', 'hilly'])
def scene(request: pytest.FixtureRequest) -> SyntheticScene:
    difficulties = Difficulties(**{**vars(Difficulties.all(False)), 'missing_z': request.param})
    return build_scene(WorldSettings.tiny(image_size=(320, 180), difficulties=difficulties), 0)


def test_beams_are_those_of_the_sensor(scene: SyntheticScene) -> None:
    sweep = scan(scene, 'LIDAR_TOP', 10)
    points, raw = sweep.points, sweep.raw
    returns, _ = cast(scene, 0.5)
    kept = returns.actors >= STATIC
    assert len(points) == len(raw) == kept.sum()
    np.testing.assert_allclose(np.linalg.norm(returns.directions, axis=1), 1)
    # In the frame of the moment when it fires, a beam has its ring's elevation.
    pose = scene.town_from_ego(0.5) @ scene.rig.reference.ego_from_lidar
    last = returns.directions[-32:] @ pose[:3, :3]
    np.testing.assert_allclose(np.arcsin(last[:, 2]), rig.BEAM_ELEVATIONS, atol=1e-9)
    azimuths = np.degrees(np.unwrap(np.arctan2(last[:, 1], last[:, 0])))
    np.testing.assert_allclose(azimuths, azimuths[0], atol=1e-6)
    ranges = returns.ranges[kept]
    assert ranges.min() > 1 and ranges.max() < rig.MAX_RANGE
    np.testing.assert_allclose(apply(pose, points[:, :3].astype(float)), returns.points[kept], atol=2e-5)


def test_beams_end_on_what_they_are_said_to_hit(scene: SyntheticScene) -> None:
    returns, met = cast(scene, 0.5)
    assert {STATIC, MISSED, EGO} <= set(returns.actors.tolist())
    for number in np.flatnonzero(returns.actors >= STATIC)[::401]:
        start, direction, actor = returns.origins[number], returns.directions[number], returns.actors[number]
        assert _first_hit(scene, start, direction, 0.5) == (pytest.approx(returns.ranges[number]), actor)
    seen = np.bincount(returns.actors[returns.actors >= 0], minlength=len(met))
    assert (seen <= met).all() and seen.sum() > 300


def _first_hit(scene: SyntheticScene, start: np.ndarray, direction: np.ndarray, time: float) -> tuple[float, int]:
    """Distance and actor (or STATIC) of the nearest hit, from every tree in turn."""
    forest = scene.model_forest
    best = nearest(*scene.static_tree.arrays, 0, start, direction, 300.0)[0], STATIC
    for index, local in _locals(scene, time):
        root = forest.roots[scene.kinds.index(scene.actors[index].kind)]
        distance, hit = nearest(*forest.tree.arrays, root, apply(local, start), local[:3, :3] @ direction, 300.0)
        if hit >= 0 and distance < best[0]:
            best = distance, index
    return best


@cache
def _locals(scene: SyntheticScene, time: float) -> list[tuple[int, np.ndarray]]:
    return [(int(index), inverse(scene.town_from_actor(index, time))) for index in scene.present(time)]


@pytest.mark.parametrize('channel', ['CAM_BACK', 'CAM_FRONT_LEFT'])
def test_pixels_show_what_their_rays_meet(scene: SyntheticScene, channel: str, rng: np.random.Generator) -> None:
    time = 0.5 + scene.rig.cameras[channel].delay_us * 1e-6
    picture = render(scene, channel, time)
    pose = scene.town_from_ego(time) @ scene.rig.cameras[channel].ego_from_camera
    camera_from_pixels = np.linalg.inv(scene.rig.cameras[channel].intrinsic(320))
    agree = []
    for row, column in zip(rng.integers(0, 180, 100), rng.integers(0, 320, 100), strict=True):
        depth, actor = _first_hit(
            scene, pose[:3, 3], pose[:3, :3] @ camera_from_pixels @ [column + 0.5, row + 0.5, 1], time
        )
        if picture.actors[row, column] == SKY:
            agree.append(depth >= 200)
        else:
            shown = STATIC if picture.actors[row, column] == TOWN else picture.actors[row, column]
            agree.append(shown == actor and abs(picture.depth[row, column] - depth) < 1e-3 * depth)
    # Rays exactly along an edge may fall to either side.
    assert np.mean(agree) >= 0.98


def test_lidar_projected_into_a_picture_lies_on_the_same_things(scene: SyntheticScene) -> None:
    time, channel = 0.5, 'CAM_BACK'
    picture = render(scene, channel, time)
    returns, _ = cast(scene, time)
    kept = returns.actors >= STATIC
    camera_from_town = inverse(scene.town_from_ego(time) @ scene.rig.cameras[channel].ego_from_camera)
    points = apply(camera_from_town, returns.points[kept])
    pixels = points @ scene.rig.cameras[channel].intrinsic(320).T
    column, row = np.floor(pixels[:, :2] / np.maximum(pixels[:, 2:], 1e-6)).astype(int).T
    visible = (points[:, 2] > 0.5) & (column >= 0) & (column < 320) & (row >= 0) & (row < 180)
    depth = picture.depth[row[visible], column[visible]]
    # The lidar sits elsewhere: what the camera has something else in front of is left out.
    unhidden = points[visible, 2] < 1.03 * depth
    same = picture.raw[row[visible], column[visible]] == returns.raw[kept][visible]
    assert unhidden.sum() > 1500
    assert same[unhidden].mean() > 0.96


def test_boxes_hold_all_points_of_their_objects(scene: SyntheticScene) -> None:
    returns, _ = cast(scene, 0.5)
    global_points = apply(scene.global_from_ego(0.5) @ inverse(scene.town_from_ego(0.5)), returns.points)
    boxed = 0
    for index in np.unique(returns.actors[returns.actors >= 0]):
        width, length, height = scene.shape(index).size
        local = apply(inverse(scene.global_from_box(index, 0.5)), global_points[returns.actors == index])
        assert (np.abs(local) < np.array([length, width, height]) / 2).all()
        boxed += len(local)
    assert boxed > 300


def test_pictures_tell_classes_apart(scene: SyntheticScene) -> None:
    picture = render(scene, 'CAM_FRONT', 0.0)
    colours = {int(raw): picture.image[picture.raw == raw].mean(axis=0) for raw in np.unique(picture.raw)}
    sky, road = picture.image[picture.actors == SKY].mean(axis=0), colours[24]
    assert sky[2] > 180 > 140 > road.max()
    assert 8 < picture.image.std() < 120
