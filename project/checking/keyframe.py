"""Judges the labels of one keyframe by rays."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from project.checking.config import RayConfig
from project.checking.placing import NO_TRACK, PlacedRays, RayPlacer
from project.checking.ray_checks import AGREES, EARLY, HOLE, Verdicts, cast
from project.checking.tally import Tally
from project.formats import OccupancyLabels
from project.labels.aggregation.boxes import OUTSIDE, Boxes, box_of_points
from project.labels.aggregation.sweeps import UNLABELLED


@dataclass
class KeyframeRays:
    """The result of the rays for the labels of a keyframe.

    Attributes:
        tally: the counts.
        by_track: for each track that rays ended in at other times than the keyframe's, how many, and how many agree.
        ghosts: (N,) int64 positions of voxels that stopped rays early.
        holes: (N,) int64 positions of empty voxels in which rays ended.
    """

    tally: Tally = field(default_factory=Tally)
    by_track: dict[int, np.ndarray] = field(default_factory=dict)
    ghosts: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    holes: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))


def judge_keyframe(
    placer: RayPlacer, k: int, labels: OccupancyLabels, sweeps: Sequence[int], config: RayConfig
) -> KeyframeRays:
    """Judge labels by the rays of some sweeps.

    Args:
        placer: places rays of the scene.
        k: the keyframe whose labels they are.
        labels: the labels.
        sweeps: the sweeps.
        config: which rays count, and how.
    """
    grid, scene = labels.grid, placer.scene
    placed = []
    for sweep in sweeps:
        rays = placer.place(sweep, k, grid.frame)
        indices, inside = grid.voxel_indices(rays.ends)
        placed.append((sweep, rays[inside], grid.ravel(indices)))
    dense = labels.dense().ravel()
    occupied, hits, passes = (np.zeros(grid.size, kind) for kind in (bool, bool, np.uint8))
    positions = grid.ravel(labels.indices)
    occupied[positions] = True
    for _, _, ends in placed:
        hits[ends] = True
    boxes = _boxes_of(placer, k, grid.frame, np.zeros(3))
    # At other times objects are elsewhere: then the world is judged without the voxels that may belong to an object.
    world = occupied.copy()
    world[
        positions[_in_boxes(grid.centres(labels.indices), _boxes_of(placer, k, grid.frame, np.array(grid.voxel_size)))]
    ] = False

    result, found = KeyframeRays(), []
    for sweep, rays, _ in placed:
        if sweep == scene.keyframe_sweeps[k]:
            parts = [(rays, occupied)]
        else:
            outside = rays.tracks == NO_TRACK
            parts = [(rays[outside & ~_in_boxes(rays.ends, boxes)], world), (rays[~outside], occupied)]
        for part, walls in parts:
            verdicts = cast(grid, walls, hits, passes, part, config)
            result.tally.add_rays(verdicts, part.lengths, part.tracks != NO_TRACK, dense)
            found.append(verdicts)
            if sweep != scene.keyframe_sweeps[k]:
                _count_tracks(result.by_track, part, verdicts)
    known = hits[positions], passes[positions] >= config.passes
    result.tally.voxels, result.tally.ghosts = int((known[0] | known[1]).sum()), int((~known[0] & known[1]).sum())
    result.ghosts = np.concatenate([each.stops[each.outcomes == EARLY] for each in found])
    result.holes = np.concatenate([each.ends[each.outcomes == HOLE] for each in found])
    return result


def _count_tracks(by_track: dict[int, np.ndarray], rays: PlacedRays, verdicts: Verdicts) -> None:
    for track in np.unique(rays.tracks[rays.tracks != NO_TRACK]):
        mine = rays.tracks == track
        counts = np.array([mine.sum(), (mine & (verdicts.outcomes == AGREES)).sum()])
        by_track[int(track)] = by_track.get(int(track), 0) + counts


def _boxes_of(placer: RayPlacer, k: int, frame: str, grown: np.ndarray) -> Boxes:
    """The boxes of a keyframe in the frame of a grid, enlarged by a margin on each side."""
    tracks, shown = placer.scene.tracks, np.flatnonzero(placer.scene.tracks.present[k])
    return Boxes(
        shown.astype(np.int32),
        placer.scene.grid_from_global(k, frame) @ tracks.global_from_box[k, shown],
        tracks.sizes[k, shown] + 2 * grown,
        tracks.categories[shown],
        np.zeros(len(shown), bool),
    )


def _in_boxes(points: np.ndarray, boxes: Boxes) -> np.ndarray:
    return box_of_points(points.astype(np.float32), np.full(len(points), UNLABELLED, np.uint8), boxes) != OUTSIDE
