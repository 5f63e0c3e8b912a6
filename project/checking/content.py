"""The report of a check as plain data, for JSON and for the page."""

import math
from collections.abc import Sequence
from dataclasses import asdict

from project.checking.config import CheckConfig
from project.checking.findings import REMEDIES, Finding
from project.checking.scene_check import KeyframeReport, SceneReport
from project.checking.verdict import Verdict, faults
from project.label_set import LabelSet


def content_of(scenes: Sequence[SceneReport], verdict: Verdict, about: dict, config: CheckConfig) -> dict:
    """All results; unknown figures are None.

    Args:
        scenes: the result of each.
        verdict: on all of them.
        about: what was checked and how.
        config: the thresholds.
    """
    label_set = next((scene.label_set for scene in scenes if scene.keyframes), LabelSet())
    return _plain(
        {
            'about': about,
            'verdict': {
                'trusted': verdict.trusted, 'sentence': verdict.sentence, 'keyframes': verdict.keyframes,
                'bad keyframes': verdict.bad,
            },
            'total': verdict.tally.summary,
            'by range': verdict.tally.by_range,
            'by class': verdict.tally.by_class(label_set),
            'advice': advice(scenes),
            'scenes': [_scene(scene, config) for scene in scenes],
            'thresholds': {name: vars(section) for name, section in vars(config).items()},
        }
    )  # fmt: skip


def advice(scenes: Sequence[SceneReport]) -> list[dict]:
    """The findings by kind: how often, the first three cases, and what to do; the most frequent kind first."""
    cases: dict[str, list[str]] = {}
    for scene in scenes:
        for finding in (*scene.findings, *(each for keyframe in scene.keyframes for each in keyframe.findings)):
            cases.setdefault(finding.kind, []).append(f'{_where(scene, finding)}: {finding.sentence}')
    ordered = sorted(cases.items(), key=lambda item: -len(item[1]))
    return [{'kind': k, 'cases': len(each), 'examples': each[:3], 'remedy': REMEDIES[k]} for k, each in ordered]


def _where(scene: SceneReport, finding: Finding) -> str:
    return scene.name if finding.keyframe is None else f'{scene.name} keyframe {finding.keyframe}'


def _scene(scene: SceneReport, config: CheckConfig) -> dict:
    return {
        'name': scene.name,
        'error': scene.error,
        'total': scene.tally.summary,
        'by range': scene.tally.by_range,
        'by class': scene.tally.by_class(scene.label_set),
        'poses': scene.poses and asdict(scene.poses),
        'findings': [finding.as_json() for finding in scene.findings],
        'keyframes': [_keyframe(keyframe, config) for keyframe in scene.keyframes],
    }


def _keyframe(keyframe: KeyframeReport, config: CheckConfig) -> dict:
    return {
        'index': keyframe.index,
        'token': keyframe.token,
        'trusted': not faults(keyframe, config.trust),
        'faults': faults(keyframe, config.trust),
        'sweeps': keyframe.sweeps,
        **keyframe.tally.summary,
        'ground differs, m': keyframe.ground_m,
        'ground differs by given poses, m': keyframe.given_ground_m,
        'ground in layers': 100 * keyframe.layers.several,
        'ground thickness, m': keyframe.layers.thickness_m,
        'findings': [finding.as_json() for finding in keyframe.findings],
    }


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
