"""Checks that time stamps, poses and calibration fit each other."""

import numpy as np

from project.checking.config import TimingConfig
from project.checking.findings import Finding
from project.geometry.rigid import interpolate, inverse
from project.sources.base import Scene


def sweep_findings(scene: Scene, config: TimingConfig) -> list[Finding]:
    """Steps between sweeps of one lidar that no car can make, with the given time stamps and poses."""
    findings = []
    lidar = np.zeros(len(scene.sweep_files), int) if scene.lidars is None else scene.lidars
    for number in np.unique(lidar):
        sweeps = np.flatnonzero(lidar == number)
        elapsed = np.diff(scene.timestamps_us[sweeps]) / 1e6
        distance = np.linalg.norm(np.diff(scene.global_from_ego[sweeps, :3, 3], axis=0), axis=1)
        same = np.flatnonzero(elapsed <= 0)
        findings += [_sweep_finding(scene, sweeps[i : i + 2], 'have one time') for i in same]
        if len(same) or len(elapsed) < 5:
            continue
        speed = distance / elapsed
        around = np.array([np.median(np.delete(speed[max(i - 3, 0) : i + 4], min(i, 3))) for i in range(len(speed))])
        for i in np.flatnonzero(np.abs(speed - around) > config.jump_mps):
            text = f'the car drives at {speed[i]:.1f} m/s, before and after at {around[i]:.1f} m/s'
            findings.append(_sweep_finding(scene, sweeps[i : i + 2], text))
    return findings


def _sweep_finding(scene: Scene, pair: np.ndarray, text: str) -> Finding:
    k = int(np.abs(scene.keyframe_sweeps - pair[1]).argmin())
    return Finding('sweep time', f'{scene.sweep_files[pair[0]]} and {scene.sweep_files[pair[1]]}: {text}', k)


def camera_findings(scene: Scene, config: TimingConfig) -> list[Finding]:
    """Cameras whose time stamps are far from the lidar's, or whose given poses are not those of their time."""
    late: dict[str, list[tuple[int, float]]] = {}
    astray: dict[str, list[tuple[int, float]]] = {}
    for k, record in enumerate(scene.records):
        for name, camera in record.cameras.items():
            apart_s = (camera.timestamp_us - record.timestamp_us) / 1e6
            if abs(apart_s) > config.camera_s:
                late.setdefault(name, []).append((k, apart_s))
            expected = _pose_at(scene, camera.timestamp_us)
            if expected is not None:
                away = float(np.linalg.norm(camera.global_from_ego[:3, 3] - expected[:3, 3]))
                if away > config.camera_m:
                    astray.setdefault(name, []).append((k, away))
    findings = []
    for name, found in late.items():
        seconds = np.median([value for _, value in found])
        order = 'after' if seconds > 0 else 'before'
        sentence = f'{name}: taken {abs(seconds):.2f} s {order} the lidar at {len(found)} keyframes'
        findings.append(Finding('camera time', sentence, found[0][0]))
    for name, found in astray.items():
        metres = np.median([value for _, value in found])
        where = f'{metres:.2f} m from where the car is at its time stamps, at {len(found)} keyframes'
        findings.append(Finding('camera time', f'{name}: its poses are {where}', found[0][0]))
    return findings


def _pose_at(scene: Scene, timestamp_us: int) -> np.ndarray | None:
    """Pose of the car between two sweeps, None outside of them or where they are far apart."""
    after = int(np.searchsorted(scene.timestamps_us, timestamp_us))
    if not 0 < after < len(scene.timestamps_us):
        return None
    first, second = scene.timestamps_us[after - 1 : after + 1]
    if not 0 < second - first < 200_000:
        return None
    fraction = np.array([(timestamp_us - first) / (second - first)])
    return interpolate(scene.global_from_ego[after - 1 : after], scene.global_from_ego[after : after + 1], fraction)[0]


def calibration_findings(given: Scene, used: Scene, grounds: list, config: TimingConfig) -> list[Finding]:
    """Rotations of lidar to ego that do not fit.

    Args:
        given: the scene with the poses of the recording.
        used: the same with poses that align the sweeps.
        grounds: flat ground of each keyframe, by the poses that are used.
        config: thresholds.
    """
    return [*_tilt(used, grounds, config), *_drift(given, used, config)]


def _tilt(scene: Scene, grounds: list, config: TimingConfig) -> list[Finding]:
    """Tilt of the ground in the ego frame: roll and pitch of the lidar on the car, or of the car on its wheels."""
    slopes = []
    for sweep, ground in zip(scene.keyframe_sweeps, grounds, strict=True):
        start = scene.global_from_ego[0, :3, 3]
        ego_from_global = inverse(scene.global_from_ego[sweep])
        xyz = (ground.centres + start) @ ego_from_global[:3, :3].T + ego_from_global[:3, 3]
        xyz = xyz[np.hypot(xyz[:, 0], xyz[:, 1]) < 12]
        if len(xyz) < 20:
            continue
        xyz = xyz[np.abs(xyz[:, 2] - np.median(xyz[:, 2])) < 0.3]
        plane, *_ = np.linalg.lstsq(np.column_stack([xyz[:, :2], np.ones(len(xyz))]), xyz[:, 2], rcond=None)
        slopes.append(np.degrees(np.arctan(plane[:2])))
    if not slopes:
        return []
    along, across = np.median(slopes, axis=0).round(1) + 0.0
    if max(abs(along), abs(across)) <= config.tilt_deg:
        return []
    sentence = f'the ground leans by {along:.1f} degrees along and {across:.1f} across in the frame of the car'
    return [Finding('tilt', sentence)]


def _drift(given: Scene, used: Scene, config: TimingConfig) -> list[Finding]:
    """How far sweeps must be moved per metre driven, along the axes of the car."""
    keyframes = given.keyframe_sweeps
    first, second = given.global_from_ego[keyframes[:-1]], given.global_from_ego[keyframes[1:]]
    motion = (inverse(first) @ second)[:, :3, 3]
    first, second = used.global_from_ego[keyframes[:-1]], used.global_from_ego[keyframes[1:]]
    corrected = (inverse(first) @ second)[:, :3, 3]
    driven = np.abs(motion[:, 0]).sum()
    if driven < config.driven_m:
        return []
    ratios = ((corrected - motion) * np.sign(motion[:, :1])).sum(axis=0) / driven
    findings, heights = [], np.ptp(given.global_from_ego[keyframes, 2, 3])
    # Poses without height do not climb; that does not concern the lidar.
    for axis, kind, sides in ((1, 'yaw', ('to the left', 'to the right')), (2, 'pitch', ('up', 'down'))):
        if abs(ratios[axis]) > config.drift and (kind == 'yaw' or heights > 1e-3):
            ratio, side = abs(ratios[axis]), sides[int(ratios[axis] < 0)]
            moved = f'{100 * ratio:.1f} cm {side} for each metre driven, by {np.degrees(np.arctan(ratio)):.1f} degrees'
            findings.append(Finding(kind, f'sweeps meet only if moved {moved}'))
    if abs(ratios[0]) > config.drift:
        further = 'further' if ratios[0] > 0 else 'less far'
        sentence = f'sweeps meet only if the car came {100 * abs(ratios[0]):.1f} % {further} than the poses say'
        findings.append(Finding('distance', sentence))
    return findings
