"""The boxes of all tracks at the time of a sweep, and the box that each point lies in."""

from dataclasses import dataclass, replace

import numpy as np
from numba import njit

from project.geometry.rigid import interpolate, inverse
from project.geometry.traversal import transformed
from project.labels.aggregation.sweeps import UNLABELLED, Points
from project.labels.config import DEFAULT, BoxConfig
from project.sources.base import Scene, Tracks

OUTSIDE = -1

_CELL_M = 4.0


@dataclass(frozen=True)
class Boxes:
    """B boxes at one time.

    Attributes:
        tracks: (B,) int32 track of each box.
        scene_from_box: (B, 4, 4) float64.
        sizes: (B, 3) float64 length, width, height.
        categories: (B,) uint8 lidarseg index of the category.
        guessed: (B,) bool, extrapolated beyond the track's annotations, and not at a keyframe that has one.
        margin_m: points this far outside still belong to the object.
    """

    tracks: np.ndarray
    scene_from_box: np.ndarray
    sizes: np.ndarray
    categories: np.ndarray
    guessed: np.ndarray
    margin_m: float = DEFAULT.boxes.margin_m

    @property
    def half_sizes(self) -> np.ndarray:
        """(B, 3) half sizes with the margin."""
        return self.sizes / 2 + self.margin_m

    def guessed_at(self, box: np.ndarray) -> np.ndarray:
        """(N,) bool, whether points lie in a guessed box; `box` as :func:`box_of_points` returns it."""
        return np.append(self.guessed, False)[box]


def extended(tracks: Tracks, times_s: np.ndarray) -> Tracks:
    """Tracks extended by one keyframe before their first and after their last annotation, at constant velocity.

    An object exists shortly before its first and after its last annotation. Its points must not become part of the
    static world.

    Args:
        tracks: K keyframes, T tracks.
        times_s: (K,) time of each keyframe.
    """
    present, poses, sizes = tracks.present.copy(), tracks.global_from_box.copy(), tracks.sizes.copy()
    keyframes = len(times_s)
    for step in (1, -1):
        for k in range(keyframes):
            known, beyond = k + step, k + 2 * step
            if not 0 <= known < keyframes:
                continue
            new = tracks.present[known] & ~present[k]
            poses[k, new], sizes[k, new] = poses[known, new], sizes[known, new]
            if 0 <= beyond < keyframes:
                moving = new & tracks.present[beyond]
                ratio = (times_s[k] - times_s[known]) / (times_s[known] - times_s[beyond])
                poses[k, moving, :3, 3] += ratio * (poses[known, moving, :3, 3] - poses[beyond, moving, :3, 3])
            present[k] |= new
    return replace(tracks, present=present, global_from_box=poses, sizes=sizes)


def track_curvature(tracks: Tracks, times_s: np.ndarray) -> np.ndarray:
    """How far tracks leave the straight line between two keyframes, where the object turns or brakes.

    Between keyframes k and k + 1, the parabola through the annotations of k - 1, k and k + 1 leaves the straight line
    by ``fraction * (1 - fraction)`` times a vector. The parabola of k, k + 1 and k + 2 leaves it by another vector.
    Blending from the first parabola into the second gives a smooth path (Overhauser 1968).

    Args:
        tracks: K keyframes, T tracks, as annotated.
        times_s: (K,) time of each keyframe.

    Returns:
        (K - 1, T, 2, 3) float64 these two vectors, global frame, metres. Where an annotation for one of them is
        missing, the other is used for both; both are 0 where neither is known.
    """
    step = np.diff(times_s)[:, None, None]
    velocity = np.diff(tracks.global_from_box[..., :3, 3], axis=0) / step
    known = tracks.present[:-2] & tracks.present[1:-1] & tracks.present[2:]
    acceleration = np.full((len(times_s), known.shape[1], 3), np.nan)
    acceleration[1:-1][known] = (2 * np.diff(velocity, axis=0) / (step[1:] + step[:-1]))[known]
    of_ends = np.stack([acceleration[:-1], acceleration[1:]], axis=2)
    of_ends = np.nan_to_num(np.where(np.isnan(of_ends), of_ends[:, :, ::-1], of_ends))
    return -of_ends * step[..., None] ** 2 / 2


def boxes_of_sweeps(scene: Scene, tracks: Tracks, scene_from_global: np.ndarray, config: BoxConfig) -> dict[int, Boxes]:
    """Boxes at the time of each sweep from the first keyframe to the last, interpolated along curved tracks.

    Args:
        scene: its sweeps.
        tracks: its tracks at all times with known boxes, as annotated or :func:`extended`.
        scene_from_global: (4, 4) float64.
        config: thresholds.
    """
    seconds = (scene.timestamps_us - scene.timestamps_us[0]) / 1e6
    annotated = scene.annotated
    known = (annotated.times_us - scene.timestamps_us[0]) / 1e6
    sweeps = np.flatnonzero(scene.time_steps >= 0)
    # Boxes stand still before the first and after the last known time; that is half a turn of the lidar at most.
    at = np.clip(seconds[sweeps], known[0], known[-1])
    before = np.searchsorted(known, at, side='right') - 1
    fractions = (at - known[before]) / np.append(np.diff(known), 1)[before]
    curvature = track_curvature(annotated.tracks, known)
    boxes = boxes_at(tracks, annotated.tracks.present, before, fractions, scene_from_global, curvature, config.margin_m)
    # Another lidar ends its turn a little before or after the keyframe that it belongs to. What is annotated there is
    # there, even if its track starts or ends there.
    for i in np.flatnonzero((scene.time_steps[sweeps] % 2 == 0) & (fractions > 0)):
        annotated_then = annotated.tracks.present[scene.time_steps[sweeps[i]] // 2]
        boxes[i] = replace(boxes[i], guessed=boxes[i].guessed & ~annotated_then[boxes[i].tracks])
    return dict(zip(sweeps.tolist(), boxes, strict=True))


def boxes_at(
    tracks: Tracks, annotated: np.ndarray, keyframes: np.ndarray, fractions: np.ndarray, scene_from_global: np.ndarray,
    curvature: np.ndarray | None = None, margin_m: float = DEFAULT.boxes.margin_m,
) -> list[Boxes]:  # fmt: skip
    """Boxes at N times: at a keyframe, or interpolated between it and the next one; sizes are those of the next one.

    Args:
        tracks: the scene's tracks, as annotated or :func:`extended`.
        annotated: (K, T) bool, where tracks are annotated and not extended.
        keyframes: (N,) int64 the keyframe at or before each time.
        fractions: (N,) float64, 0 at that keyframe and 1 at the next.
        scene_from_global: (4, 4) float64.
        curvature: as :func:`track_curvature` returns it; by default tracks are straight lines, as in nuscenes-devkit.
        margin_m: of the boxes.
    """
    times, chosen = np.nonzero(tracks.present[keyframes] & tracks.present[keyframes + (fractions > 0)])
    # All boxes of all times at once: a call of SciPy's rotations pays off only for many.
    before, fraction = keyframes[times], fractions[times]
    after = before + (fraction > 0)
    poses = tracks.global_from_box
    global_from_box = interpolate(poses[before, chosen], poses[after, chosen], fraction)
    if curvature is not None:
        moving = fraction > 0
        share = fraction[moving, None]
        first, second = np.moveaxis(curvature[before[moving], chosen[moving]], 1, 0)
        global_from_box[moving, :3, 3] += share * (1 - share) * (first + share * (second - first))
    guessed = ~(annotated[before, chosen] & annotated[after, chosen])
    scene_from_box, numbers = scene_from_global @ global_from_box, chosen.astype(np.int32)
    sizes, categories = tracks.sizes[after, chosen], tracks.categories[chosen]
    bounds = np.searchsorted(times, np.arange(len(keyframes) + 1))
    return [
        Boxes(numbers[part], scene_from_box[part], sizes[part], categories[part], guessed[part], margin_m)
        for part in map(slice, bounds[:-1], bounds[1:])
    ]


def box_of_points(xyz: np.ndarray, raw: np.ndarray, boxes: Boxes) -> np.ndarray:
    """Which box each point lies in.

    A point in several boxes belongs to the one that it lies deepest inside, relative to the box's size. If the point is
    labelled, boxes of its own category come first.

    Args:
        xyz: (N, 3) float32, scene frame.
        raw: (N,) uint8 lidarseg index or 255.
        boxes: B boxes.

    Returns:
        (N,) int32 position in `boxes`, -1 outside all of them.
    """
    if not len(boxes.tracks) or not len(xyz):
        return np.full(len(xyz), OUTSIDE, np.int32)
    half = boxes.half_sizes
    centres = boxes.scene_from_box[:, :2, 3]
    # A coarse map from above gives the boxes near a point: cells, and the boxes that reach into each.
    radius = np.hypot(half[:, 0], half[:, 1]) + half[:, 2]
    low, high = (centres - radius[:, None]).min(axis=0), (centres + radius[:, None]).max(axis=0)
    shape = np.floor((high - low) / _CELL_M).astype(np.int64) + 1
    first = np.floor((centres - radius[:, None] - low) / _CELL_M).astype(np.int64)
    last = np.floor((centres + radius[:, None] - low) / _CELL_M).astype(np.int64)
    starts, members = _boxes_of_cells(first, last, shape)
    return _box_of_points(xyz, raw, low, shape, starts, members, inverse(boxes.scene_from_box), half, boxes.categories)


def in_box_frames(points: Points, boxes: Boxes, box: np.ndarray) -> Points:
    """Points of the scene frame, each in the frame of its box; `box` is (N,) int32, one for each point."""
    return Points(_in_box_frames(points.xyz, inverse(boxes.scene_from_box), box), points.raw, points.intensity)


@njit(cache=True, error_model='numpy')
def _in_box_frames(xyz, box_from_scene, box):
    result = np.empty_like(xyz)
    for i in range(len(xyz)):
        result[i] = transformed(box_from_scene[box[i]], xyz[i])
    return result


@njit(cache=True, error_model='numpy')
def _boxes_of_cells(first, last, shape):
    """Boxes that reach into each cell of the map, cell by cell, and the position where each cell's boxes start."""
    starts = np.zeros(shape[0] * shape[1] + 1, np.int64)
    for box in range(len(first)):
        for x in range(first[box, 0], last[box, 0] + 1):
            starts[x * shape[1] + first[box, 1] + 1 : x * shape[1] + last[box, 1] + 2] += 1
    starts = np.cumsum(starts)
    members, free = np.empty(starts[-1], np.int64), starts[:-1].copy()
    for box in range(len(first)):
        for x in range(first[box, 0], last[box, 0] + 1):
            for cell in range(x * shape[1] + first[box, 1], x * shape[1] + last[box, 1] + 1):
                members[free[cell]] = box
                free[cell] += 1
    return starts, members


@njit(cache=True, error_model='numpy')
def _box_of_points(xyz, raw, low, shape, starts, members, box_from_scene, half, categories):
    result = np.full(len(xyz), OUTSIDE, np.int32)
    for i in range(len(xyz)):
        x, y, z = np.float64(xyz[i, 0]), np.float64(xyz[i, 1]), np.float64(xyz[i, 2])
        cx, cy = int(np.floor((x - low[0]) / _CELL_M)), int(np.floor((y - low[1]) / _CELL_M))
        if not (0 <= cx < shape[0] and 0 <= cy < shape[1]):
            continue
        best = np.inf
        for at in range(starts[cx * shape[1] + cy], starts[cx * shape[1] + cy + 1]):
            box = members[at]
            depth = 0.0
            for axis in range(3):
                m = box_from_scene[box, axis]
                depth = max(depth, abs(m[0] * x + m[1] * y + m[2] * z + m[3]) / half[box, axis])
            if depth > 1:
                continue
            if raw[i] != UNLABELLED and raw[i] != categories[box]:
                depth += 1
            if depth < best:
                best, result[i] = depth, box
    return result
