"""Actors of a scene and their places, and the effect of each difficulty."""

from dataclasses import fields

import numpy as np
import pytest

from project.synthetic import Difficulties, WorldSettings
from project.synthetic.lidar import cast, scan
from project.synthetic.scene import SyntheticScene, build_scene
from project.synthetic.scene_rows import tracks
from project.synthetic.traffic import BUSY, FOLLOWERS
from project.taxonomy import GROUND, LEARNING_MAP, MOVABLE

NONE = {each.name: False for each in fields(Difficulties)}


def scene(index: int = 0, keyframes: int = 3, people: int = 0, **difficulties: bool) -> SyntheticScene:
    chosen = Difficulties(**{**NONE, **difficulties})
    return build_scene(WorldSettings.tiny(keyframes=keyframes, difficulties=chosen, people=people), index)


@pytest.mark.parametrize('index', [0, 1])
def test_every_class_is_there(index: int) -> None:
    town = scene(index, keyframes=20)
    labels = {LEARNING_MAP[town.shape(number).raw] for number in range(len(town.actors))}
    assert labels >= MOVABLE
    assert {LEARNING_MAP[raw] for raw in np.unique(town.static.raw)} == GROUND | {0, 15, 16}
    moving = [actor.motion.states for actor in town.actors if not actor.parked]
    assert len(moving) > 20
    assert any(np.ptp(states[:, 2]) > 1 for states in moving)
    assert any((np.diff(states[:, :2], axis=0) == 0).all(axis=1).any() for states in moving)
    assert np.ptp(town.ego.states[:, 2]) > 1


def test_followers_stay_behind_the_ego_car_and_have_no_box() -> None:
    alone, followed = (
        build_scene(WorldSettings.tiny(keyframes=20, difficulties=Difficulties(**NONE), followers=number), 0)
        for number in (0, 3)
    )
    np.testing.assert_array_equal(followed.ego.states, alone.ego.states)
    assert [actor.kind for actor in followed.actors if not actor.annotated] == [kind for kind, _, _ in FOLLOWERS]
    assert all(actor.annotated for actor in alone.actors)
    for actor, (_, gap, _) in zip(followed.actors, FOLLOWERS, strict=False):
        for time in np.arange(0, 9.5, 0.5):
            apart = followed.ego.at(time) - actor.motion.at(time)
            # Round a corner the straight line is shorter, and the way of what keeps to the right is not the same.
            assert gap / 2 < np.hypot(*apart[:2]) < gap + 2.0
    with pytest.raises(ValueError, match='followers: 4 are not between 0 and 3'):
        WorldSettings(followers=4)


def test_more_people_on_the_sidewalks_change_nothing_else() -> None:
    usual, busy = scene(), scene(people=8)
    np.testing.assert_array_equal(busy.ego.states, usual.ego.states)
    assert [actor.kind for actor in busy.actors[: len(usual.actors)]] == [actor.kind for actor in usual.actors]
    more = busy.actors[len(usual.actors) :]
    assert len(more) > 10
    assert {actor.kind for actor in more} == {'adult', 'child', 'standing'}
    for actor in more:
        away = np.hypot(*(busy.ego.at(np.arange(0, 1.1, 0.1)) - actor.motion.at(0.0))[:, :2].T)
        assert away.min() < BUSY + 1.0
    with pytest.raises(ValueError, match='people: -1 is less than 0'):
        WorldSettings(people=-1)


@pytest.mark.parametrize('people', [0, 8])
def test_nobody_drives_through_anybody(people: int) -> None:
    town = scene(keyframes=20, people=people)
    halves = [np.array(town.shape(index).size)[[1, 0]] / 2 - 0.05 for index in range(len(town.actors))]
    for time in np.arange(0, 9.5, 0.7):
        poses = [town.town_from_actor(index, time) for index in range(len(town.actors))]
        outlines = [
            pose[:2, 3] + (np.array([[1, 1], [1, -1], [-1, -1], [-1, 1], [0, 0]]) * half) @ pose[:2, :2].T
            for pose, half in zip(poses, halves, strict=True)
        ]
        for index, (pose, half) in enumerate(zip(poses, halves, strict=True)):
            others = np.concatenate(outlines[:index] + outlines[index + 1 :])
            assert not (np.abs((others - pose[:2, 3]) @ pose[:2, :2]) < half).all(axis=1).any()


def test_height_of_the_ground_is_that_of_its_surface(rng: np.random.Generator) -> None:
    ground = scene(missing_z=True).ground
    mesh = ground.mesh()
    assert np.ptp(ground.heights) > 1
    for triangle in mesh.triangles[rng.integers(0, len(mesh.triangles), 200)]:
        across = np.cross(triangle[1] - triangle[0], triangle[2] - triangle[0])
        if abs(across[2]) > 1e-9:
            x, y, z = rng.dirichlet((1, 1, 1)) @ triangle
            assert ground.height(x, y) == pytest.approx(z, abs=1e-9)


def test_unannotated() -> None:
    assert all(actor.annotated for actor in scene().actors)
    hard = scene(unannotated=True)
    hidden = {index for index, actor in enumerate(hard.actors) if not actor.annotated}
    assert 2 <= len(hidden) < 0.2 * len(hard.actors)
    assert not any(hard.actors[index].parked for index in hidden)
    assert not hidden & set(tracks(hard))


def test_appearing() -> None:
    hard = scene(keyframes=20, appearing=True)
    begins = {index: keyframes.start for index, keyframes in tracks(hard).items()}
    gone = [index for index, actor in enumerate(hard.actors) if actor.present[1] < np.inf]
    late = [index for index, actor in enumerate(hard.actors) if actor.present[0] > 0]
    assert late and gone and all(begins[index] > 0 for index in late if index in begins)
    # Nothing that is not there reflects.
    for missing, time in ((late, 0.0), (gone, 9.5)):
        returns, met = cast(hard, time)
        assert not met[missing].any() and not np.isin(returns.actors, missing).any()


def test_quiet_start() -> None:
    quiet = scene(1, keyframes=20, quiet_start=True)
    assert min(keyframes.start for keyframes in tracks(quiet).values()) >= 2
    assert len(scene(0, keyframes=20, quiet_start=True).present(0.0)) > 50


def test_noise_and_missing_returns() -> None:
    clean = scan(scene(), 'LIDAR_TOP', 0).points
    noisy = scan(scene(range_noise=True), 'LIDAR_TOP', 0).points
    difference = np.linalg.norm(clean[:, :3] - noisy[:, :3], axis=1)
    assert clean.shape == noisy.shape and 0.008 < difference.mean() < 0.012 < difference.max() < 0.1
    sweep = scan(scene(missing_returns=True), 'LIDAR_TOP', 0)
    lossy, raw = sweep.points, sweep.raw
    distance = np.linalg.norm(lossy[:, :3], axis=1)
    assert len(lossy) > len(clean) and len(lossy) % 32 == 0
    assert distance[raw == 31].max() < 2 and (raw == 31).sum() > 3000
    assert 0.17 < (distance < 1).mean() < 0.28


def test_wrong_poses() -> None:
    right, drifting, flat = scene(), scene(pose_noise=True), scene(missing_z=True)
    for time in (0.0, 0.55):
        error = drifting.global_from_ego(time) - right.global_from_ego(time)
        assert 1e-3 < np.abs(error[:2, 3]).max() < 0.1 and np.abs(error[:3, :3]).max() < 0.01
        assert flat.global_from_ego(time)[2, 3] == 0 != flat.town_from_ego(time)[2, 3]
    # What the tables tell about an object fits what the lidar of the same moment sees.
    for town in (drifting, flat):
        seen = np.linalg.inv(town.global_from_ego(0.5)) @ town.global_from_box(3, 0.5)
        true = np.linalg.inv(town.town_from_ego(0.5)) @ town.town_from_actor(3, 0.5)
        np.testing.assert_allclose(seen[:3, :3], true[:3, :3], atol=1e-9)
        np.testing.assert_allclose(seen[:3, 3], (true @ [*town.shape(3).centre, 1])[:3], atol=1e-9)
