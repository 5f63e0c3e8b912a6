"""Whether labels are trusted, keyframe by keyframe and as a whole."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from project.checking.config import TrustConfig
from project.checking.scene_check import KeyframeReport, SceneReport
from project.checking.tally import Tally


@dataclass(frozen=True)
class Verdict:
    """Whether labels are trusted.

    Attributes:
        trusted: None if nothing could be judged.
        reasons: why not, one sentence each.
        tally: of all rays.
        keyframes: how many were judged.
        bad: how many of them are not trusted.
    """

    trusted: bool | None
    reasons: tuple[str, ...]
    tally: Tally
    keyframes: int
    bad: int

    @property
    def exit_code(self) -> int:
        """0 trusted, 1 not, 2 not judged."""
        return 2 if self.trusted is None else int(not self.trusted)

    @property
    def sentence(self) -> str:
        """The verdict in one line."""
        if self.trusted is None:
            return 'NOT JUDGED: ' + '; '.join(self.reasons)
        summary = self.tally.summary
        figures = f'{summary["agree"]:.1f} % of rays agree, {summary["early"]:.1f} % are stopped early'
        if self.trusted:
            return f'TRUSTED: {figures}; {self.keyframes - self.bad} of {self.keyframes} keyframes are good'
        return f'NOT TRUSTED: {"; ".join(self.reasons)}'


def judge(scenes: Sequence[SceneReport], config: TrustConfig) -> Verdict:
    """Verdict on all scenes."""
    tally, keyframes = Tally(), [keyframe for scene in scenes for keyframe in scene.keyframes]
    for keyframe in keyframes:
        tally += keyframe.tally
    bad = sum(bool(faults(keyframe, config)) for keyframe in keyframes)
    if not tally.rays:
        errors = [f'{scene.name}: {scene.error}' for scene in scenes if scene.error]
        return Verdict(None, tuple(errors[:3]) or ('no keyframe has both labels and sweeps',), tally, 0, 0)
    reasons = _below(tally, config)
    if 100 * bad > config.bad_keyframes * len(keyframes):
        reasons.append(f'{bad} of {len(keyframes)} keyframes are bad')
    return Verdict(not reasons, tuple(reasons), tally, len(keyframes), bad)


def faults(keyframe: KeyframeReport, config: TrustConfig) -> list[str]:
    """Reasons why a keyframe is not trusted; empty if it is."""
    return _below(keyframe.tally, config) if keyframe.tally.rays else ['no rays']


def worst_keyframes(scenes: Sequence[SceneReport], count: int) -> list[tuple[SceneReport, KeyframeReport]]:
    """The keyframes with the smallest share of rays that agree, the worst first; at most a third of them per scene."""
    every = [(scene, keyframe) for scene in scenes for keyframe in scene.keyframes if keyframe.tally.rays]
    every.sort(key=lambda found: found[1].tally.summary['agree'])
    taken: Counter[str] = Counter()
    chosen: list[tuple[SceneReport, KeyframeReport]] = []
    for scene, keyframe in every:
        if len(chosen) < count and (taken[scene.name] < max(count // 3, 1) or len(scenes) < 3):
            taken[scene.name] += 1
            chosen.append((scene, keyframe))
    return chosen


def _below(tally: Tally, config: TrustConfig) -> list[str]:
    summary, reasons = tally.summary, []
    if summary['agree'] < config.agree:
        reasons.append(f'only {summary["agree"]:.1f} % of rays agree ({config.agree:g} % are needed)')
    if summary['early'] > config.early:
        reasons.append(f'{summary["early"]:.1f} % of rays are stopped early ({config.early:g} % at most)')
    if tally.objects[0] >= config.object_rays and summary['objects agree'] < config.objects:
        share = f'{summary["objects agree"]:.1f} % of rays into boxes agree'
        reasons.append(f'only {share} ({config.objects:g} % are needed)')
    return reasons


def number(value: float, digits: int = 1) -> str:
    """A figure as text; a dash if there is none."""
    return '–' if math.isnan(value) else f'{value:.{digits}f}'
