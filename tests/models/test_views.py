"""The queries that each camera computes, and their averages."""

import torch

from project.models.views import CameraViews


def views(batch=2, cameras=3, queries=11, anchors=2):
    torch.manual_seed(1)
    places = torch.rand(batch, cameras, queries, anchors, 2)
    visible = torch.rand(batch, cameras, queries, anchors) < 0.3
    visible[1, 2] = False  # a camera that sees nothing
    visible[:, :, 4] = False  # a query that nobody sees
    return places, visible, CameraViews.of(places, visible)


def test_a_query_is_kept_where_any_of_its_anchors_is_seen():
    places, visible, found = views()
    for b in range(2):
        for camera in range(3):
            expected = visible[b, camera].any(-1).nonzero()[:, 0]
            kept = found.valid[b, camera]
            assert found.queries[b, camera][kept].tolist() == expected.tolist()
            assert torch.equal(found.places[b, camera][kept], places[b, camera, expected])


def test_pick_and_average_are_the_mean_over_the_cameras_that_see_a_query():
    _, visible, found = views()
    features = torch.randn(2, 11, 5)
    factors = torch.tensor([1.0, 10.0, 100.0])
    ours = found.average(found.pick(features) * factors[None, :, None, None])
    seen = visible.any(-1).float()
    weights = (seen * factors[None, :, None]).sum(1) / seen.sum(1).clamp(min=1)
    torch.testing.assert_close(ours, features * weights[..., None])
    assert not ours[:, 4].any()


def test_nothing_seen_at_all_gives_zeros_and_gradients():
    places = torch.rand(1, 2, 4, 2, 2)
    found = CameraViews.of(places, torch.zeros(1, 2, 4, 2, dtype=torch.bool))
    features = torch.randn(1, 4, 3, requires_grad=True)
    average = found.average(found.pick(features))
    assert not average.any()
    average.sum().backward()
    assert not features.grad.any()
