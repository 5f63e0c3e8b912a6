"""The detected ground must be the ground, whatever stands on it."""

import numpy as np
import pytest

from project.labels.aggregation.boxes import Boxes
from project.labels.aggregation.ground_points import categories_without_labels, height_above_ground
from project.labels.config import DEFAULT
from project.sources.taxonomies import taxonomy_of_boxes

RNG = np.random.default_rng(0)
CENTRE = np.array([3.0, -2.0])


def ground_at(xy, slope, kerb_m=0.0, hill_m=0.0):
    hill = hill_m * np.sin(xy[:, 0] / 15)
    return xy @ slope + hill + np.where(np.abs(xy[:, 1]) > 4, kerb_m, 0)


def street(slope=(0.0, 0.0), noise_m=0.015, **shape):
    """Points of the ground in rings that grow apart, of a wall and of a roof, and which of them are ground."""
    ring = np.repeat(np.geomspace(3, 60, 30), 400)
    angle = RNG.uniform(0, 2 * np.pi, len(ring))
    flat = CENTRE + np.column_stack([ring * np.cos(angle), ring * np.sin(angle)])
    flat = flat[(np.abs(flat[:, 1]) < 15) & ~((np.abs(flat[:, 0] - 15) < 2.5) & (np.abs(flat[:, 1]) < 1.5))]
    wall = np.column_stack([RNG.uniform(-40, 40, 4000), np.full(4000, 15.0)])
    roof = np.column_stack([RNG.uniform(13, 17, 500), RNG.uniform(-1, 1, 500)])
    above = np.concatenate([np.zeros(len(flat)), RNG.uniform(0.4, 8, 4000), np.full(500, 1.5)])
    xy = np.concatenate([flat, wall, roof])
    z = ground_at(xy, np.array(slope), **shape) + above + RNG.normal(0, noise_m, len(xy))
    return np.column_stack([xy, z]).astype(np.float32), above


@pytest.mark.parametrize(
    'shape,right',
    [
        ({}, 0.999),
        ({'slope': (0.08, 0.03)}, 0.999),
        ({'kerb_m': 0.15}, 0.99),
        ({'slope': (-0.05, 0.0), 'kerb_m': 0.12}, 0.99),
        ({'hill_m': 1.5}, 0.98),
    ],
)
def test_heights_above_the_ground(shape, right):
    xyz, above = street(**shape)
    height = height_above_ground(xyz, CENTRE, DEFAULT.ground_points)
    on_ground = np.abs(height) < DEFAULT.ground_points.thickness_m
    assert (on_ground == (above == 0)).mean() > right
    assert np.median(np.abs(height - above)) < 0.06


def test_the_height_of_everything_does_not_matter():
    xyz, _ = street()
    low = height_above_ground(xyz, CENTRE, DEFAULT.ground_points)
    high = height_above_ground(xyz + np.float32([0, 0, 64]), CENTRE, DEFAULT.ground_points)
    np.testing.assert_allclose(low, high, atol=1e-3)


def test_far_points_have_no_height_and_none_is_none():
    far = np.array([[500.0, 0, 0]], np.float32)
    assert np.isinf(height_above_ground(far, CENTRE, DEFAULT.ground_points)).all()
    assert len(height_above_ground(np.zeros((0, 3), np.float32), CENTRE, DEFAULT.ground_points)) == 0


def test_boxes_tell_what_can_move_and_the_ground_below_it_is_ground():
    taxonomy = taxonomy_of_boxes(['car', 'tram'])
    xyz, above = street()
    poses = np.tile(np.eye(4), (2, 1, 1))
    poses[:, :3, 3] = [(15, 0, 0.8), (-20, 0, 0.8)]
    sizes = np.tile([6.0, 3.4, 1.8], (2, 1))
    boxes = Boxes(np.array([0, 1], np.int32), poses, sizes, np.array([1, 2], np.uint8), np.array([False, True]))
    raw = categories_without_labels(xyz, CENTRE, boxes, taxonomy, DEFAULT)
    in_car = (np.abs(xyz[:, 0] - 15) < 3) & (np.abs(xyz[:, 1]) < 1.7)
    assert (raw[in_car & (above > 0)] == 1).all() and (raw[in_car & (above == 0)] == 3).mean() > 0.8
    outside = ~(np.abs(xyz[:, :2] - poses[:, None, :2, 3]) < 3.2).all(axis=2).any(axis=0)
    assert (raw[outside & (above > 0.5)] == 4).all() and (raw[outside & (above == 0)] == 3).mean() > 0.99


def test_a_guessed_box_holds_neither_an_object_nor_the_world():
    taxonomy, pose = taxonomy_of_boxes(['car']), np.eye(4)
    pose[:3, 3] = (15, 0, 0.8)
    xyz, above = street()
    boxes = Boxes(
        np.zeros(1, np.int32), pose[None], np.array([[6.0, 3.4, 1.8]]), np.ones(1, np.uint8), np.ones(1, bool)
    )
    raw = categories_without_labels(xyz, CENTRE, boxes, taxonomy, DEFAULT)
    in_box = (np.abs(xyz[:, 0] - 15) < 3) & (np.abs(xyz[:, 1]) < 1.7)
    assert (raw[in_box & (above > 0)] == 0).all() and (raw != 1).all()
