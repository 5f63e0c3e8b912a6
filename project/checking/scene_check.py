"""Checks the labels of one scene: rays, ground, boxes, times and calibration."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from project.checking.box_checks import box_findings, box_lag
from project.checking.config import CheckConfig, GroundCheckConfig
from project.checking.findings import Finding
from project.checking.ground_checks import Layers, ground_of_keyframes, label_layers
from project.checking.holdout import held_out_sweeps
from project.checking.keyframe import judge_keyframe
from project.checking.label_folder import LabelFolder
from project.checking.placing import RayPlacer
from project.checking.tally import Tally
from project.checking.timing import calibration_findings, camera_findings, sweep_findings
from project.geometry.rigid import inverse
from project.label_set import LabelSet
from project.labels.aggregation.own_vehicle import with_own_parts
from project.labels.pipeline import label_scene
from project.labels.poses.refinement import PoseReport, refined
from project.labels.run.settings import Settings
from project.sources.base import Scene
from project.sources.selection import without_sweeps
from project.storage.mirror import Mirror
from project.storage.mounts import soon


@dataclass(frozen=True)
class Task:
    """Settings of a check.

    Attributes:
        labels: the labels; None to make them.
        hold_out: if labels are made: every n-th sweep is held out.
        settings: how to make labels; each scene gets its own folder below `save_path`.
        correct_poses: place rays with poses that align the sweeps, not with the given ones.
        config: thresholds.
        mirrors: of recordings and labels that are at URLs; processes that get them know these, too.
    """

    labels: LabelFolder | None
    hold_out: int
    settings: Settings
    correct_poses: bool
    config: CheckConfig
    mirrors: tuple[Mirror | None, ...] = ()


@dataclass
class KeyframeReport:
    """The result for a keyframe.

    Attributes:
        index: number in the scene.
        token: of the keyframe.
        sweeps: how many were judged.
        tally: counts of the rays' outcomes.
        ground_m: difference of the height of the ground from keyframes around, metres, with the poses that rays are
            placed with; NaN if not known.
        given_ground_m: the same with the poses of the recording.
        layers: how thick labels of the ground are.
        findings: the findings.
        ghosts, holes: int32 positions of voxels that stop rays, and of empty ones in which rays ended.
    """

    index: int
    token: str
    sweeps: int
    tally: Tally
    ground_m: float
    given_ground_m: float
    layers: Layers
    findings: list[Finding]
    ghosts: np.ndarray
    holes: np.ndarray


@dataclass
class SceneReport:
    """The result for a scene.

    Attributes:
        name: of the scene.
        label_set: names and colours of its labels.
        keyframes: those that were judged.
        findings: findings about the scene as a whole.
        poses: what was done to its poses; None if rays are placed with the poses of the recording.
        labels: where its labels are.
        error: why it could not be judged; None if it was.
    """

    name: str
    label_set: LabelSet = field(default_factory=LabelSet)
    keyframes: list[KeyframeReport] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    poses: PoseReport | None = None
    labels: LabelFolder | None = None
    error: str | None = None

    @property
    def tally(self) -> Tally:
        """Counts of the outcomes of all its rays."""
        total = Tally()
        for keyframe in self.keyframes:
            total += keyframe.tally
        return total


def check_scene(given: Scene, task: Task, on_keyframe: Callable[[], None] = lambda: None) -> SceneReport:
    """Check the labels of a scene.

    Args:
        given: the scene, with the poses of the recording.
        task: how.
        on_keyframe: called after each keyframe.

    Raises:
        FileNotFoundError, ValueError: a file is missing or damaged, or nothing can be held out.
    """
    config = task.config
    soon(given.dataroot / name for name in given.sweep_files)
    given = with_own_parts(given, task.settings.config)
    scene, poses = refined(given, task.settings.config) if task.correct_poses else (given, None)
    labels, judged = _labels_and_sweeps(scene, task)
    placer = RayPlacer(scene, config.rays)
    grounds, ground_m, given_ground_m = ground_of_keyframes(scene, given, config.ground)
    names = [scene.taxonomy.categories[category] for category in scene.tracks.categories]
    report = SceneReport(scene.name, labels.label_set, poses=poses, labels=labels)
    for k, sweeps in judged.items():
        content = labels.read(scene.keyframes[k])
        rays = judge_keyframe(placer, k, content, sweeps, config.rays)
        grid_from_scene = scene.grid_from_global(k, content.grid.frame) @ inverse(placer.sweeps.scene_from_global)
        layers = label_layers(grounds[k], content, grid_from_scene, config.ground)
        findings = box_findings(rays.by_track, names, k, config.boxes)
        findings += _ground_findings(k, ground_m[k], given_ground_m[k], layers, config.ground)
        report.keyframes.append(
            KeyframeReport(
                k, scene.keyframes[k].sample_token, len(sweeps), rays.tally, float(ground_m[k]),
                float(given_ground_m[k]), layers, findings, np.unique(rays.ghosts).astype(np.int32),
                np.unique(rays.holes).astype(np.int32),
            )
        )  # fmt: skip
        on_keyframe()
    report.findings += _pose_findings(poses)
    report.findings += sweep_findings(given, config.timing) + camera_findings(given, config.timing)
    report.findings += calibration_findings(given, scene, grounds, config.timing)
    report.findings += _lag_findings(placer, config)
    return report


def _labels_and_sweeps(scene: Scene, task: Task) -> tuple[LabelFolder, dict[int, list[int]]]:
    """The labels to judge (made now if sweeps are held out), and for each labelled keyframe the sweeps to judge it
    by."""
    if task.labels is not None:
        shown = [k for k, keyframe in enumerate(scene.keyframes) if task.labels.has(keyframe)]
        return task.labels, {k: _sweeps_around(scene, k, np.arange(len(scene.sweep_files)), task) for k in shown}
    out = held_out_sweeps(scene, task.hold_out)
    folder = Path(tempfile.mkdtemp(prefix=f'{scene.name}-', dir=task.settings.save_path))
    settings = Settings(**{**vars(task.settings), 'save_path': folder, 'refine_poses': False})
    label_scene(without_sweeps(scene, out), settings)
    made = settings.made(settings.formats[0], '', scene.taxonomy)
    labels = LabelFolder(LabelFolder.find(folder, settings.formats[0]).files, made)
    shown = [k for k, keyframe in enumerate(scene.keyframes) if labels.has(keyframe)]
    judged = {k: _sweeps_around(scene, k, out, task) for k in shown}
    return labels, {k: sweeps for k, sweeps in judged.items() if sweeps}


def _sweeps_around(scene: Scene, k: int, allowed: np.ndarray, task: Task) -> list[int]:
    """Sweeps near a keyframe in time, itself among them where it is allowed; spread evenly before and after it."""
    config, keyframe = task.config.rays, scene.keyframe_sweeps[k]
    apart_s = (scene.timestamps_us - scene.timestamps_us[keyframe]) / 1e6
    # Half way to the next keyframe, or up to it if no sweep is between.
    reach_s = config.reach_s / 2 if task.labels else config.reach_s
    near = allowed[(np.abs(apart_s[allowed]) <= reach_s) & (scene.time_steps[allowed] >= 0)]
    others = near[near != keyframe]
    wanted = config.sweeps - int(keyframe in near)
    chosen = others[np.unique(np.linspace(0, len(others) - 1, min(wanted, len(others))).round().astype(int))]
    return sorted({*chosen.tolist(), *([int(keyframe)] if keyframe in near else [])})


def _pose_findings(poses: PoseReport | None) -> list[Finding]:
    if poses is None or (poses.outcome != 'not registered' and 4 * poses.lost <= poses.sweeps):
        return []
    sentence = f'{poses.lost} of {poses.sweeps} sweeps could not be laid onto the others'
    if poses.outcome == 'not registered':
        sentence += '; rays are placed by the poses of the recording'
    return [Finding('poses', sentence)]


def _ground_findings(
    k: int, ground_m: float, given_ground_m: float, layers: Layers, config: GroundCheckConfig
) -> list[Finding]:
    findings = []
    if layers.several > config.layered:
        sentence = f'{100 * layers.several:.0f} % of the ground is labelled in several layers'
        if given_ground_m > config.differ_m:
            sentence += (
                f': by the poses of the recording its height differs by {given_ground_m:.2f} m from keyframes around'
            )
        findings.append(Finding('layers', sentence, k))
    elif ground_m > config.differ_m:
        sentence = f'the height of the ground differs by {ground_m:.2f} m from keyframes around'
        findings.append(Finding('ground', sentence, k))
    return findings


def _lag_findings(placer: RayPlacer, config: CheckConfig) -> list[Finding]:
    lag, boxes = box_lag(placer.sweeps, config.boxes)
    if boxes < config.boxes.objects or abs(lag) < config.boxes.late_s:
        return []
    text = 'behind' if lag > 0 else 'ahead of'
    return [Finding('box time', f'{boxes} boxes of moving objects are {abs(lag):.2f} s {text} their points')]
