"""Checks that the numbers of a recording are plausible: wrong units and broken records are numbers, too."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from project.errors import UserError
from project.sources.base import Scene
from project.sources.records import BoxRecords, CameraRecord, KeyframeRecord

TURN_S = (0.002, 5.0)
"""Shortest and longest typical time between two sweeps of a lidar; lidars turn 5 to 40 times a second."""

KEYFRAME_S = (0.01, 120.0)
"""The same for keyframes."""

FASTEST_M_S = 120.0
JUMP_M = 20.0
"""The car may move this far between two sweeps in any time, as corrected positions do, and may drive at this speed."""

FARTHEST_M = 1e8
"""Larger coordinates are no place on Earth, in any frame."""

STEEPEST = 0.5
"""Least cosine between the vertical and the car's z axis: 60 degrees."""

CENTRE = (0.1, 0.9)
"""Range of the principal point of a camera, as a share of the image."""

REACH_M = 500.0
"""Boxes farther away from the car are out of reach of any lidar."""

SMALLEST_M, LARGEST_M = 0.01, 150.0
"""Extent of a box along each axis."""


def check_plausible(scene: Scene) -> None:
    """Check times, poses and cameras of a scene.

    Raises:
        UserError: a number is impossible; the message says which, and what would be plausible.
    """
    for number in range(len(scene.rig.lidars)):
        mine = slice(None) if scene.lidars is None else scene.lidars == number
        _check_spacing(f'sweeps of {scene.rig.lidars[number].name}', scene.timestamps_us[mine], TURN_S)
    _check_spacing('keyframes', scene.timestamps_us[scene.keyframe_sweeps], KEYFRAME_S)
    _check_poses(scene)
    _check_camera_poses(scene)
    # Many images share a calibration.
    cameras = {
        (name, id(camera.camera_matrix), camera.size_px): camera
        for record in scene.records
        for name, camera in record.cameras.items()
    }
    for (name, *_), camera in cameras.items():
        _check_camera(name, camera)


def _check_spacing(what: str, timestamps_us: np.ndarray, plausible_s: tuple[float, float]) -> None:
    steps_us = np.diff(timestamps_us)
    if (steps_us <= 0).any():
        i = (steps_us <= 0).argmax()
        raise UserError(f'two {what} have the timestamps {timestamps_us[i]} and {timestamps_us[i + 1]}, in this order')
    check_unit(what, timestamps_us, plausible_s)


def check_unit(what: str, timestamps_us: np.ndarray, plausible_s: tuple[float, float]) -> None:
    """Check that times are microseconds.

    Args:
        what: what happened at these times.
        timestamps_us: (N,) whole numbers, ascending.
        plausible_s: the shortest and longest typical time from one to the next.

    Raises:
        UserError: they are too close or too far apart.
    """
    typical_us = np.median(np.diff(timestamps_us)) if len(timestamps_us) > 1 else 0
    shortest_s, longest_s = plausible_s
    if not typical_us or shortest_s <= typical_us / 1e6 <= longest_s:
        return
    units = {'nanoseconds': 1e-9, 'milliseconds': 1e-3, 'seconds': 1.0}
    guesses = [name for name, unit_s in units.items() if shortest_s <= typical_us * unit_s <= longest_s]
    hint = f'; they may be {guesses[0]}' if guesses else ''
    raise UserError(
        f'the timestamps of {what} are {typical_us:g} apart, {typical_us / 1e6:g} s if they are microseconds; '
        f'{shortest_s:g} to {longest_s:g} s would be plausible{hint}'
    )


def _check_poses(scene: Scene) -> None:
    positions = scene.global_from_ego[:, :3, 3]
    farthest = np.abs(positions).max(axis=1).argmax()
    if np.abs(positions[farthest]).max() > FARTHEST_M:
        raise UserError(
            f'the pose of the car at {scene.sweep_files[farthest]} is at {positions[farthest].tolist()} m; less than '
            f'{FARTHEST_M:g} m would be plausible'
        )
    upright = scene.global_from_ego[:, 2, 2]
    if upright.min() < STEEPEST:
        lowest = upright.argmin()
        tilt_deg = np.degrees(np.arccos(np.clip(upright[lowest], -1, 1)))
        raise UserError(
            f'the pose of the car at {scene.sweep_files[lowest]} is tilted by {tilt_deg:.0f} degrees; less than 60 '
            'would be plausible: is its rotation in the order w, x, y, z?'
        )
    moved = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    passed_s = np.diff(scene.timestamps_us) / 1e6
    jumps = moved > JUMP_M + FASTEST_M_S * passed_s
    if jumps.any():
        i = jumps.argmax()
        raise UserError(
            f'the car moves {moved[i]:.0f} m in the {passed_s[i]:.2f} s before {scene.sweep_files[i + 1]}; less than '
            f'{JUMP_M + FASTEST_M_S * passed_s[i]:.0f} m would be plausible'
        )


def _check_camera_poses(scene: Scene) -> None:
    """The car is where it is for the lidar when an image is taken, or near to it."""
    for record in scene.records:
        for camera in record.cameras.values():
            moved = np.linalg.norm(camera.global_from_ego[:3, 3] - record.global_from_ego[:3, 3])
            passed_s = abs(camera.timestamp_us - record.timestamp_us) / 1e6
            if not moved <= JUMP_M + FASTEST_M_S * passed_s:
                raise UserError(
                    f'the car is {moved:.0f} m from where it is at keyframe {record.keyframe.sample_token} when '
                    f'{camera.file} is taken, {passed_s:.2f} s apart; less than '
                    f'{JUMP_M + FASTEST_M_S * passed_s:.0f} m would be plausible'
                )


def _check_camera(name: str, camera: CameraRecord) -> None:
    matrix, where = camera.camera_matrix, f'{name}, image {camera.file}'
    if not (matrix[0, 0] > 0 and matrix[1, 1] > 0 and (matrix[2] == (0, 0, 1)).all()):
        raise UserError(
            f'{where}: the camera matrix is {matrix.tolist()}; focal lengths are greater than 0, and the last row is '
            '0, 0, 1'
        )
    if camera.size_px is None:
        return
    if min(camera.size_px) < 1:
        raise UserError(f'{where}: has the size {camera.size_px[0]}x{camera.size_px[1]} pixels')
    parts = matrix[:2, 2] / camera.size_px
    if not ((parts > CENTRE[0]) & (parts < CENTRE[1])).all():
        raise UserError(
            f'{where}: the principal point of its calibration, {matrix[0, 2]:.0f}, {matrix[1, 2]:.0f}, is not near the '
            f'middle of an image of {camera.size_px[0]}x{camera.size_px[1]} pixels; the calibration is of another size'
        )


def reachable(records: Sequence[KeyframeRecord]) -> tuple[list[KeyframeRecord], list[str]]:
    """Keyframes without boxes that are out of reach or of implausible size, and sentences on these boxes.

    Such a box would cost unlimited time and memory, or is an error; other boxes are not affected.
    """
    far = odd = 0
    example = ''
    kept = []
    for record in records:
        boxes = record.boxes
        apart = np.linalg.norm(boxes.global_from_box[:, :3, 3] - record.global_from_ego[:3, 3], axis=1)
        is_far = apart > REACH_M
        is_odd = ~is_far & ((boxes.sizes < SMALLEST_M) | (boxes.sizes > LARGEST_M)).any(axis=1)
        if is_far.any() or is_odd.any():
            far, odd = far + int(is_far.sum()), odd + int(is_odd.sum())
            b = (is_far | is_odd).argmax()
            example = example or (
                f'instance {boxes.instances[b]} at keyframe {record.keyframe.sample_token}, {apart[b]:.0f} m away, '
                f'{" x ".join(f"{size:g}" for size in boxes.sizes[b])} m'
            )
            record = replace(record, boxes=_chosen(boxes, ~(is_far | is_odd)))
        kept.append(record)
    if not example:
        return kept, []
    return kept, [
        f'{far + odd} boxes are left out, {far} for being more than {REACH_M:.0f} m away, {odd} for a size beyond '
        f'{SMALLEST_M:g} to {LARGEST_M:g} m, as {example}'
    ]


def _chosen(boxes: BoxRecords, kept: np.ndarray) -> BoxRecords:
    return BoxRecords(
        instances=tuple(np.array(boxes.instances, object)[kept]),
        categories=tuple(np.array(boxes.categories, object)[kept]),
        global_from_box=boxes.global_from_box[kept],
        sizes=boxes.sizes[kept],
        num_lidar_pts=boxes.num_lidar_pts[kept],
        num_radar_pts=boxes.num_radar_pts[kept],
    )
