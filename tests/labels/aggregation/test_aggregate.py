"""Scenes whose points have no categories, and scenes of several lidars."""

from dataclasses import replace

import handmade
import numpy as np
import pytest
from handmade import CAR, ROAD, make_scene

from project.labels.aggregation.aggregate import Sweeps, aggregate
from project.sources.base import Lidar, Rig
from project.sources.taxonomies import taxonomy_of_boxes

TAXONOMY = taxonomy_of_boxes(['vehicle.car'])
GROUND, STATIC = 2, 3


def unlabelled(scene):
    tracks = replace(scene.tracks, categories=np.ones(len(scene.tracks.categories), np.uint8))
    return replace(scene, label_files=(None,) * len(scene.sweep_files), taxonomy=TAXONOMY, tracks=tracks)


def test_without_labels_boxes_ground_and_the_rest_are_told_apart(tmp_path):
    # More of the road, at all keyframes: a strip of it does not tell the ground.
    road = [(at, np.array([x, y, 0.0]), ROAD) for at in (0, 2, 4) for x in range(-20, 14) for y in (-3, -1, 8)]
    scene = make_scene(tmp_path, extra=road)
    labelled, points = aggregate(scene), aggregate(unlabelled(scene))
    assert set(points.objects.points.raw.tolist()) == {1}
    assert len(points.objects.points.raw) == len(labelled.objects.points.raw)
    assert len(points.unboxed.points.raw) == 0
    static = points.static.points
    on_ground = static.xyz[:, 2] < 0.1
    assert set(static.raw[on_ground].tolist()) == {GROUND} and set(static.raw[~on_ground].tolist()) == {STATIC}
    assert len(static.raw) == len(labelled.static.points.raw)


def test_keyframes_without_labels_among_others_take_those_of_the_others(tmp_path):
    scene = make_scene(tmp_path)
    files = list(scene.label_files)
    files[2] = None
    points = aggregate(replace(scene, label_files=tuple(files)))
    whole = aggregate(scene)
    # Time step 2 is that of the keyframe in the middle.
    for groups, same in ((points.static, whole.static), (points.objects, whole.objects)):
        assert (groups.starts[:, 3] - groups.starts[:, 2]).sum() == (same.starts[:, 3] - same.starts[:, 2]).sum()
    assert set(points.objects.points.raw.tolist()) == {CAR}


def with_second_lidar(scene, later_us, labelled):
    """The same sweeps once more, as those of a lidar that measures so much later."""
    order = np.argsort(np.concatenate([scene.timestamps_us, scene.timestamps_us + later_us]))
    sweeps, lidars = order % handmade.SWEEPS, order // handmade.SWEEPS
    return replace(
        scene,
        sweep_files=tuple(scene.sweep_files[sweep] for sweep in sweeps),
        label_files=tuple(
            scene.label_files[sweep] if lidar == 0 or labelled else None
            for sweep, lidar in zip(sweeps, lidars, strict=True)
        ),
        timestamps_us=scene.timestamps_us[sweeps] + later_us * lidars,
        global_from_ego=scene.global_from_ego[sweeps],
        ego_from_lidar=scene.ego_from_lidar[sweeps],
        keyframe_sweeps=np.flatnonzero((lidars == 0) & (sweeps % 2 == 0)),
        rig=Rig((Lidar('top'), Lidar('rear')), (), scene.rig.own_box),
        lidars=lidars,
    )


def test_sweeps_of_another_lidar_are_merged(tmp_path):
    scene = make_scene(tmp_path)
    two = with_second_lidar(scene, 1000, labelled=False)
    assert Sweeps(two).labelled.tolist() == [True, False, False, False] * 2 + [True, False]
    alone, both = aggregate(scene), aggregate(two)
    counts = [[len(groups.points.raw) for groups in (world.static, world.objects)] for world in (alone, both)]
    # Only the sweep after the last keyframe is left out.
    of_last = [(groups.starts[:, -1] - groups.starts[:, -2]).sum() for groups in (alone.static, alone.objects)]
    assert counts[1] == [2 * count - last for count, last in zip(counts[0], of_last, strict=True)]


@pytest.mark.parametrize('later_us', [-1000, 1000])
def test_points_of_another_lidar_belong_to_a_track_that_starts_or_ends_at_the_keyframe(tmp_path, later_us):
    # Its sweep is just outside the time in which the car is annotated.
    scene = make_scene(tmp_path, track_at=(1,))
    alone, both = aggregate(scene), aggregate(with_second_lidar(scene, later_us, labelled=True))
    at_keyframe = [world.objects.starts[0, 3] - world.objects.starts[0, 2] for world in (alone, both)]
    assert at_keyframe == [len(handmade.CAR_POINTS), 2 * len(handmade.CAR_POINTS)]
    unboxed = [world.unboxed.starts[0, 3] - world.unboxed.starts[0, 2] for world in (alone, both)]
    assert unboxed == [0, 0]
