"""What cameras see, in scenes made by hand and against rays through every pixel."""

import numpy as np
import pytest

from project.grid import VoxelGrid
from project.labels.visibility.camera_mask import camera_mask
from project.sources.base import Cameras

GRID = VoxelGrid.from_range('ego', (0, 0, 0, 21, 9, 5), 1.0)
LOOKING_ALONG_X = np.array([(0, 0, 1, -0.5), (-1, 0, 0, 4.5), (0, -1, 0, 2.5), (0, 0, 0, 1.0)])
"""Camera frame to ego frame: right is -y, down is -z; the camera is behind the middle of the side x = 0."""


def cameras(focal_px=100.0, size_px=(200, 120), pose=LOOKING_ALONG_X):
    matrix = np.array([(focal_px, 0, size_px[0] / 2), (0, focal_px, size_px[1] / 2), (0, 0, 1)])
    return Cameras(pose[None], matrix[None], np.array([size_px]))


def see(occupied, grid=GRID, **camera):
    return camera_mask(cameras(**camera), np.eye(4), grid, occupied)


def empty():
    return np.zeros(GRID.shape, bool)


def test_an_empty_world_is_seen_where_the_image_reaches():
    seen = see(empty())
    centres = GRID.centres() - LOOKING_ALONG_X[:3, 3]
    slopes = np.abs(centres[..., 1:] / centres[..., :1]) - (1.0, 0.6)
    inside = (slopes < 0).all(axis=-1)
    assert seen[inside].all()
    # A voxel at the border of the image may be seen in part.
    beyond = (np.abs(centres[..., 1:]) - 0.5 > (centres[..., :1] + 0.5) * (1.0, 0.6)).any(axis=-1)
    assert not seen[beyond].any() and beyond.any()


def test_a_wall_is_seen_and_hides_what_is_behind():
    occupied = empty()
    occupied[12:] = True
    seen = see(occupied)
    assert seen[12].all() and seen[5:12].all() and not seen[13:].any()


def test_a_pole_throws_a_shadow_and_what_is_beside_it_is_seen():
    occupied = empty()
    occupied[4, 4] = True
    seen = see(occupied)
    assert seen[4, 4, 1:4].all() and seen[:4, 4, 2].all() and not seen[5:, 4].any()
    assert seen[5:, 2].all() and seen[5:, 6].all()


def test_a_fence_behind_a_pole_is_seen_but_for_the_shadow():
    occupied = empty()
    occupied[4, 4] = occupied[14] = True
    seen = see(occupied)[14, :, 2]
    # The pole hides y from 4.5 - 0.5 / 4.5 * 14.5 to 4.5 + 0.5 / 4.5 * 14.5, which is 2.9 to 6.1.
    np.testing.assert_array_equal(seen, [1, 1, 1, 0, 0, 0, 1, 1, 1])


def test_the_whole_road_is_seen_far_along_a_grazing_view():
    occupied = empty()
    occupied[:, :, 0] = True
    seen = see(occupied, size_px=(200, 20))
    centres = GRID.centres()[..., 0, :] - LOOKING_ALONG_X[:3, 3]
    # Every voxel whose upper face is in the image; the camera is 1.5 m above it, the image reaches down 0.1 m a metre.
    reached = (0.1 * (centres[..., 0] - 0.5) > 1.5) & (np.abs(centres[..., 1]) < centres[..., 0])
    assert reached.sum() > 20 and seen[..., 0][reached].all()


def test_a_camera_that_looks_away_sees_nothing():
    pose = LOOKING_ALONG_X.copy()
    pose[:3, [0, 2]] *= -1
    assert not see(empty(), pose=pose).any()


def test_every_camera_adds_to_what_is_seen(rng):
    occupied = rng.random(GRID.shape) < 0.05
    other = LOOKING_ALONG_X.copy()
    other[:3, 3] = 10, 0.5, 2.5
    one, two = cameras(), cameras(pose=other)
    both = Cameras(*(np.concatenate([getattr(each, name) for each in (one, two)]) for name in vars(one)))
    seen = camera_mask(both, np.eye(4), GRID, occupied)
    alone = [camera_mask(each, np.eye(4), GRID, occupied) for each in (one, two)]
    assert not ((alone[0] | alone[1]) & ~seen).any() and (seen != alone[0]).any()


@pytest.mark.parametrize('shape', [(7, 5, 3), (30, 20, 10)])
def test_agrees_with_many_rays_in_small_steps(rng, shape):
    grid = VoxelGrid.from_range('ego', (0, 0, 0, *(np.array(shape) * 0.5)), 0.5)
    occupied = rng.random(shape) < 0.02
    pose = LOOKING_ALONG_X.copy()
    pose[:3, 3] = 0.05, shape[1] / 4 + 0.01, shape[2] / 4 + 0.01
    seen = see(occupied, grid, pose=pose)
    by_rays = np.zeros(shape, bool)
    for u in np.arange(0.5, 200):
        v = np.arange(0.5, 120)
        rays = np.stack([np.full(len(v), (u - 100) / 100), (v - 60) / 100, np.ones(len(v))], axis=1) @ pose[:3, :3].T
        steps = pose[:3, 3] + np.arange(0, 25, 0.02)[:, None, None] * rays
        indices, inside = grid.voxel_indices(steps.reshape(-1, 3))
        hit = np.zeros(inside.shape, bool)
        hit[inside] = occupied[tuple(indices.T)]
        hit = hit.reshape(steps.shape[:2])
        reached = np.cumsum(np.cumsum(hit, axis=0) > 0, axis=0) == 0
        # The step that meets a wall first counts too.
        reached[1:] |= reached[:-1] & hit[1:]
        inside = inside.reshape(reached.shape)
        visited = np.zeros((*inside.shape, 3), int)
        visited[inside] = indices
        by_rays[tuple(visited[reached & inside].T)] = True
    assert (seen & by_rays).sum() / (seen | by_rays).sum() > 0.95
    assert (seen & ~by_rays & ~occupied).sum() <= 0.02 * seen.sum()
