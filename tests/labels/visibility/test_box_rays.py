"""Parts of rays inside boxes that drive, against trying every ray and every box."""

from pathlib import Path

import numpy as np
import pytest

from project.formats import Keyframe
from project.geometry.rigid import inverse, poses
from project.labels.config import DEFAULT
from project.labels.visibility.box_rays import find_box_rays
from project.labels.visibility.lidar_rays import SHARES, Rays
from project.sources.base import Scene, Tracks

TIMES_S = np.array([0.0, 0.125, 0.5])
"""Of three sweeps, the first and last of which are keyframes."""
BEAMS = 1000


@pytest.fixture
def scene(rng) -> Scene:
    """Tracks that drive a few metres from one keyframe to the next; the first is around the lidar."""
    n = 30
    places = rng.uniform(-9, 9, (2, n, 3)) * (1, 1, 0.1)
    places[1] = places[0] + rng.uniform(-4, 4, (n, 3)) * (1, 1, 0)
    places[:, 0] = 0.5
    tracks = Tracks(
        present=np.ones((2, n), bool),
        global_from_box=poses(rng.normal(size=(n, 4)) * (1, 0.05, 0.05, 1), np.zeros((2, n, 3))),
        sizes=np.tile(rng.uniform(0.2, 6, (n, 3)) * (1, 1, 0.1), (2, 1, 1)),
        categories=np.full(n, 17, np.uint8),
    )
    tracks.global_from_box[..., :3, 3] = places
    keyframes = tuple(Keyframe('scene', 't', f's{k}', f'l{k}', f'{k}.bin') for k in range(2))
    still = np.tile(np.eye(4), (3, 1, 1))
    files, times_us = ('0.bin', '1.bin', '2.bin'), (TIMES_S * 1e6).astype(np.int64)
    return Scene('scene', Path(), keyframes, np.array([0, 2]), files, (None,) * 3, times_us, still, still, tracks)


@pytest.fixture
def rays(rng) -> Rays:
    """Of a lidar that drives a metre a sweep."""
    path = np.array([(0, 0, 0.5), (1, 0.2, 0.5), (2, 0.4, 0.5), (3, 0.6, 0.5)])
    ends = rng.uniform(-15, 15, (3 * BEAMS, 3)) * (1, 1, 0.1)
    shares = np.tile(np.arange(BEAMS) * SHARES // BEAMS, 3).astype(np.uint16)
    return Rays(ends.astype(np.float32), shares, np.arange(4) * BEAMS, np.stack([path[:-1], path[1:]], axis=1))


def passages_of(rays: Rays, sweep: int, scene_from_box: np.ndarray, size: np.ndarray):
    """(N, 2, 3) lines and (N,) ended of one box, by cutting every ray at all six sides."""
    mine = slice(rays.starts[sweep], rays.starts[sweep + 1])
    share = (rays.shares[mine, None] + 0.5) / SHARES
    origins = (1 - share) * rays.origins[sweep, 0] + share * rays.origins[sweep, 1]
    turn, shift = inverse(scene_from_box)[:3, :3], inverse(scene_from_box)[:3, 3]
    start, stop = origins @ turn.T + shift, rays.ends[mine] @ turn.T + shift
    sides = (np.array([-1, 1])[:, None, None] * (size / 2 + DEFAULT.boxes.margin_m) - start) / (stop - start)
    enter, leave = np.maximum(sides.min(axis=0).max(axis=1), 0), np.minimum(sides.max(axis=0).min(axis=1), 1)
    through = enter < leave
    at = np.stack([enter, leave], axis=1)[through, :, None]
    return start[through, None] + at * (stop - start)[through, None], leave[through] == 1


def test_every_part_of_a_beam_in_a_box_is_found(scene, rays):
    found = find_box_rays(scene, rays, np.eye(4))
    first, last = scene.tracks.global_from_box
    some_ended = 0
    for track, size in enumerate(scene.tracks.sizes[0]):
        for sweep, fraction in enumerate(TIMES_S / TIMES_S[-1]):
            # They do not turn, so that what is halfway between two poses is a pose.
            box = first[track] + fraction * (last[track] - first[track])
            lines, ended = passages_of(rays, sweep, box, size)
            mine = slice(*found.starts[track, sweep : sweep + 2])
            np.testing.assert_allclose(found.lines[mine], lines, atol=1e-4)
            np.testing.assert_array_equal(found.ended[mine], ended)
            some_ended += ended.sum()
    assert 0 < some_ended < len(found.lines)


def test_no_tracks_and_no_rays(scene, rays):
    found = find_box_rays(scene, Rays(rays.ends[:0], rays.shares[:0], np.zeros(4, int), rays.origins), np.eye(4))
    assert not len(found.lines) and not found.starts.any()
