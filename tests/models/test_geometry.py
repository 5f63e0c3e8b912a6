"""Projection into cameras and alignment of the past."""

import numpy as np
import pytest
import torch
from small_model import GRID, IMAGE, rig

from project.grid import VoxelGrid
from project.models.geometry import align, baseline_pillar_anchors, motions_between, pillar_anchors, project


def test_anchors_stand_on_the_cells_at_even_heights():
    anchors = pillar_anchors(GRID, 4)
    assert anchors.shape == (7, 5, 4, 3)
    np.testing.assert_allclose(anchors[2, 4, :, :2], [[-4.0, 8.0]] * 4)
    np.testing.assert_allclose(anchors[0, 0, :, 2], np.linspace(-2.5, 2.5, 4))


def test_anchors_stay_inside_a_grid_lower_than_a_metre():
    low = VoxelGrid.from_range('ego', (0, 0, -0.3, 7, 5, 0.3), (1, 1, 0.2))
    np.testing.assert_allclose(pillar_anchors(low, 4)[..., 2], 0, atol=1e-12)


def test_anchors_of_the_baseline_run_along_y_first():
    anchors = baseline_pillar_anchors(GRID, 1)
    assert anchors.shape == (7, 5, 1, 3)
    np.testing.assert_allclose(anchors[0, :, 0, 0], -14 + (np.arange(5) + 0.5) * 28 / 5)
    np.testing.assert_allclose(anchors[:, 0, 0, 1], -10 + (np.arange(7) + 0.5) * 20 / 7)


def test_project_is_a_pinhole_camera():
    points = torch.tensor([[[1.0, 10.0, 2.0]]])  # 1 m to the right, 10 m ahead, 1 m above the first camera
    places, visible = project(points, torch.from_numpy(rig())[None], IMAGE)
    torch.testing.assert_close(places[0, 0, 0, 0] * torch.tensor([40, 24]), torch.tensor([20 + 2.0, 12 - 2.0]))
    assert visible[0, :, 0, 0].tolist() == [True, False, False, False]


@pytest.mark.parametrize(
    ('point', 'seen'),
    [((0, 5, 1), True), ((0, -5, 1), False), ((0, 0, 1), False), ((5.001, 5, 1), False), ((0, 5, 4.001), False)],
)
def test_only_what_lies_ahead_and_inside_the_image_is_visible(point, seen):
    _, visible = project(torch.tensor([[point]], dtype=torch.float32), torch.from_numpy(rig(1))[None], IMAGE)
    assert bool(visible) is seen


def test_project_is_exact_under_autocast():
    points, cameras = torch.from_numpy(pillar_anchors(GRID, 2)).flatten(0, 1), torch.from_numpy(rig())[None]
    exact, _ = project(points, cameras, IMAGE)
    with torch.autocast('cpu', torch.bfloat16):
        rough, _ = project(points, cameras, IMAGE)
    assert torch.equal(rough, exact)


def motion(yaw=0.0, shift=(0.0, 0.0, 0.0)):
    """(1, 4, 4) previous from current: a turn about z, then a shift."""
    matrix = torch.eye(4, dtype=torch.float64)
    cosine, sine = np.cos(yaw), np.sin(yaw)
    matrix[:2, :2] = torch.tensor([[cosine, -sine], [sine, cosine]])
    matrix[:3, 3] = torch.tensor(shift)
    return matrix[None]


def test_align_without_motion_changes_nothing():
    bev = torch.randn(2, 3, 7, 5)
    moved, inside = align(bev, motion().expand(2, -1, -1), GRID)
    torch.testing.assert_close(moved, bev)
    assert inside.all()


def test_align_by_whole_cells_is_exact_and_marks_what_was_not_seen():
    bev = torch.randn(1, 3, 7, 5)
    moved, inside = align(bev, motion(shift=(8.0, -4.0, 0.3)), GRID)  # two cells ahead in x, one back in y
    torch.testing.assert_close(moved[:, :, :5, 1:], bev[:, :, 2:, :4])
    assert inside[0, :5, 1:].all() and inside.sum() == 5 * 4


def test_align_by_half_a_cell_interpolates():
    bev = torch.randn(1, 3, 7, 5)
    moved, _ = align(bev, motion(shift=(2.0, 0.0, 0.0)), GRID)
    torch.testing.assert_close(moved[:, :, :6], (bev[:, :, :6] + bev[:, :, 1:]) / 2)


@pytest.mark.parametrize('shift', [(1.2, -1.6, 0.0), (-1.2, 1.6, 0.0)])
def test_align_does_not_fade_the_past_towards_its_edge(shift):
    moved, inside = align(torch.full((1, 2, 7, 5), 3.0), motion(shift=shift), GRID)
    assert inside.all()
    torch.testing.assert_close(moved, torch.full_like(moved, 3.0))


def test_align_carries_cells_at_the_middle_height():
    tall = VoxelGrid.from_range('lidar', (-14.0, -10.0, -9.0, 14.0, 10.0, 3.0), (4.0, 4.0, 2.0))
    pitch = torch.eye(4)[None]
    cosine, sine = np.cos(0.2), np.sin(0.2)
    pitch[0, [0, 0, 2, 2], [0, 2, 0, 2]] = torch.tensor([cosine, sine, -sine, cosine], dtype=torch.float32)
    along_x = torch.from_numpy(tall.centres()[:, :, 0, 0]).float()[None, None]
    moved, inside = align(along_x, pitch, tall)
    expected = cosine * along_x + sine * -3.0  # 3 m below the origin
    within = inside[:, None] & (expected.abs() < 12)  # from centre to centre
    assert within.sum() > 10
    torch.testing.assert_close(moved[within], expected[within], rtol=1e-4, atol=1e-4)


def test_align_by_a_quarter_turn():
    square = VoxelGrid.from_range('lidar', (-10, -10, -1, 10, 10, 1), (4.0, 4.0, 2.0))
    bev = torch.randn(1, 3, 5, 5)
    moved, inside = align(bev, motion(yaw=np.pi / 2), square)
    # The current point (x, y) was at (-y, x): cell [i, j] comes from [4 - j, i].
    expected = bev.flip(2).transpose(2, 3)
    torch.testing.assert_close(moved, expected, rtol=1e-5, atol=1e-5)
    assert inside.all()


def test_align_takes_each_sample_by_its_own_motion():
    bev = torch.randn(2, 3, 7, 5)
    both = torch.cat([motion(0.3, (1.0, 2.0, 0.0)), motion(-1.0, (-3.0, 0.5, 0.1))])
    together = align(bev, both, GRID)
    for index in range(2):
        alone = align(bev[index : index + 1], both[index : index + 1], GRID)
        torch.testing.assert_close(together[0][index], alone[0][0])
        assert torch.equal(together[1][index], alone[1][0])


def test_motions_lead_from_the_present_into_the_past(rng, random_rigid):
    """Far from the origin of the world, with mirrored and stretched grids, and for shapes that broadcast."""
    stretched = np.diag([-1.05, 0.95, 1.0, 1.0])
    past = np.stack([random_rigid(1e5) @ stretched for _ in range(6)]).reshape(2, 3, 4, 4)
    present = np.stack([random_rigid(1e5) for _ in range(2)])[:, None]
    motions = motions_between(past, present)
    points = np.append(rng.uniform(-50, 50, (3, 5)), np.ones((1, 5)), axis=0)
    np.testing.assert_allclose(past @ motions @ points, present @ points + 0 * past[..., :1], rtol=0, atol=1e-9)
    np.testing.assert_array_equal(motions[..., 3, :], np.broadcast_to([0, 0, 0, 1], (2, 3, 4)))


@pytest.mark.parametrize('damaged', [np.zeros((4, 4)), np.full((4, 4), np.nan), np.diag([1.0, 1, 0, 1])])
def test_poses_without_an_inverse_are_refused(damaged):
    with pytest.raises(ValueError, match='no inverse'):
        motions_between(np.stack([np.eye(4), damaged]), np.eye(4))
