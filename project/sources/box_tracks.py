"""Makes the tracks of a scene from boxes at any times."""

from dataclasses import dataclass

import numpy as np

from project.errors import UserError
from project.geometry.rigid import interpolate
from project.sources.base import Annotations, Tracks
from project.sources.records import BoxRecords
from project.taxonomy import Taxonomy

_SAME_US = 1_000
"""Boxes and sweeps whose time stamps differ by less count as simultaneous."""

_LONGEST_US = 1_500_000
"""Boxes of an object further apart in time are not interpolated (nuscenes-devkit's ``max_time_diff``)."""

NOT_COUNTED = -1
"""Stands for an unknown number of points in a box."""


@dataclass(frozen=True)
class DatedBoxes:
    """B boxes of any objects at any times.

    Attributes:
        times_us: (B,) int64.
        tracks: the B names of the objects.
        categories: the B names of their categories.
        global_from_box: (B, 4, 4) float64, boxes centred, x forward, y left, z up.
        sizes: (B, 3) float64 length, width, height, metres.
    """

    times_us: np.ndarray
    tracks: tuple[str, ...]
    categories: tuple[str, ...]
    global_from_box: np.ndarray
    sizes: np.ndarray


def annotations_of(boxes: DatedBoxes, taxonomy: Taxonomy) -> tuple[Annotations, list[str]]:
    """Tracks over all times of boxes, and the name of each.

    Raises:
        ValueError: the taxonomy does not know a category, or a track has two of them or two boxes at a time.
    """
    names = sorted(set(boxes.tracks))
    numbers = {name: number for number, name in enumerate(names)}
    known = {name: number for number, name in enumerate(taxonomy.categories)}
    times_us, rows = np.unique(boxes.times_us, return_inverse=True)
    present = np.zeros((len(times_us), len(names)), bool)
    poses, sizes = np.tile(np.eye(4), (*present.shape, 1, 1)), np.zeros((*present.shape, 3))
    categories: dict[int, str] = {}
    for at, (row, name, category) in enumerate(zip(rows, boxes.tracks, boxes.categories, strict=True)):
        track = numbers[name]
        if category not in known:
            raise UserError(f'the taxonomy has no category {category}, which boxes have')
        if categories.setdefault(track, category) != category:
            raise UserError(f'the track {name} is a {categories[track]} and a {category}')
        if present[row, track]:
            raise UserError(f'the track {name} has two boxes at {times_us[row]} us')
        present[row, track] = True
        poses[row, track], sizes[row, track] = boxes.global_from_box[at], boxes.sizes[at]
    of_tracks = np.array([known[categories[track]] for track in range(len(names))], np.uint8)
    return Annotations(times_us, Tracks(present, poses, sizes, of_tracks)), names


def tracks_at(annotations: Annotations, times_us: np.ndarray) -> Tracks:
    """The tracks at (K,) times: where boxes are annotated, or between two annotations of an object."""
    source = annotations.tracks
    shape = len(times_us), source.present.shape[1]
    present, poses, sizes = np.zeros(shape, bool), np.tile(np.eye(4), (*shape, 1, 1)), np.zeros((*shape, 3))
    for track in range(shape[1]):
        rows = np.flatnonzero(source.present[:, track])
        known_us = annotations.times_us[rows]
        after = np.clip(np.searchsorted(known_us, times_us), 0, len(rows) - 1)
        before = np.clip(after - 1, 0, None)
        nearest = np.where(np.abs(known_us[after] - times_us) <= np.abs(known_us[before] - times_us), after, before)
        exact = np.abs(known_us[nearest] - times_us) < _SAME_US
        gap_us = known_us[after] - known_us[before]
        inside = (times_us > known_us[before]) & (times_us < known_us[after]) & (gap_us <= _LONGEST_US)
        between = interpolate(
            source.global_from_box[rows[before], track], source.global_from_box[rows[after], track],
            np.clip((times_us - known_us[before]) / np.maximum(gap_us, 1), 0, 1),
        )  # fmt: skip
        present[:, track] = exact | inside
        poses[:, track] = np.where(exact[:, None, None], source.global_from_box[rows[nearest], track], between)
        sizes[:, track] = source.sizes[rows[nearest], track]
    return Tracks(present, poses, sizes, source.categories)


def box_records(tracks: Tracks, k: int, names: list[str], taxonomy: Taxonomy) -> BoxRecords:
    """The boxes of a keyframe for the index of keyframes; `names` are those of the tracks."""
    chosen = np.flatnonzero(tracks.present[k])
    count = np.full(len(chosen), NOT_COUNTED)
    return BoxRecords(
        instances=tuple(names[track] for track in chosen),
        categories=tuple(taxonomy.categories[tracks.categories[track]] for track in chosen),
        global_from_box=tracks.global_from_box[k, chosen],
        sizes=tracks.sizes[k, chosen],
        num_lidar_pts=count,
        num_radar_pts=count,
    )
