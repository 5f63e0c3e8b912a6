"""Labels many scenes at once: each worker labels one scene at a time, and a scene that fails stops no other."""

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from project.errors import what_is_wrong
from project.execution.executor import Division, Executor, Lost, Work
from project.formats import points
from project.labels.pipeline import AggregatedScene, aggregated_scene, label_keyframes, label_scene
from project.labels.run.settings import Settings
from project.sources.base import Scene
from project.sources.file_checks import check_files
from project.sources.intensity import check_intensity

PART_KEYFRAMES = 120
"""A minute at two keyframes a second: the windows on both sides of a part, of which its worker gets the points, too,
are 20 keyframes."""


@dataclass(frozen=True)
class Outcome:
    """The result of a scene.

    Attributes:
        scene_name: its name.
        labelled: keyframes labelled now.
        present: keyframes that had all their files already.
        seconds: time it took.
        error: what went wrong, None if nothing did.
        log: the traceback of that, where there is one.
        elsewhere: whether that may be the fault of the machine, so that another may succeed.
    """

    scene_name: str
    labelled: int = 0
    present: int = 0
    seconds: float = 0.0
    error: str | None = None
    log: str | None = None
    elsewhere: bool = False


def convert(
    scenes: Sequence[Scene],
    settings: Settings,
    executor: Executor,
    on_progress: Callable[[int], None] = lambda done: None,
    work: Work | None = None,
    shared: Any = None,
    division: Division | None = None,
    ahead: Callable[[Scene], Any] | None = None,
) -> list[Outcome]:
    """Label scenes; the files depend neither on who does it nor on the order.

    Args:
        scenes: what to label.
        settings: how.
        executor: who does it, such as :class:`project.execution.processes.Processes`.
        on_progress: called from time to time with the number of keyframes labelled so far.
        work, shared: who labels a scene and what it is given, where that is not :func:`label_reported` and `settings`.
        division: how workers divide long scenes; that of :func:`division_of` where `work` is not given.
        ahead: what a worker should know of the next scene, as executors take it; `work` then knows of it.

    Returns:
        What became of each scene, in their order.
    """
    if work is None:
        work, shared, division = label_reported, settings, division or division_of()
    outcomes = executor.run(work, scenes, shared, on_progress, lambda outcome: outcome.elsewhere, division, ahead)
    return [
        Outcome(scenes[number].name, error=outcome.reason) if isinstance(outcome, Lost) else outcome
        for number, outcome in enumerate(outcomes)
    ]


def label_reported(scene: Scene, settings: Settings, on_keyframe: Callable[[], None]) -> Outcome:
    """Label a scene, and report errors instead of raising them."""
    return _reported(scene.name, lambda: _counted(scene, label_scene(_checked(scene, settings), settings, on_keyframe)))


def _checked(scene: Scene, settings: Settings) -> Scene:
    check_files(scene)
    if points.NAME in settings.formats:
        check_intensity(scene)
    return scene


def _counted(scene: Scene, labelled: int) -> Outcome:
    return Outcome(scene.name, labelled, len(scene.keyframes) - labelled)


def _reported(name: str, work: Callable[[], Outcome]) -> Outcome:
    """The outcome of some work on a scene, with its time; errors are reported in it."""
    start = time.perf_counter()
    try:
        outcome = work()
    except Exception as problem:
        elsewhere = isinstance(problem, OSError | MemoryError)
        outcome = Outcome(name, error=what_is_wrong(problem), log=traceback.format_exc(), elsewhere=elsewhere)
    return replace(outcome, seconds=time.perf_counter() - start)


def division_of(part_keyframes: int = PART_KEYFRAMES) -> Division:
    """How workers divide scenes of more than twice as many keyframes: into runs of half to the whole of that, so that
    each worker gets as many of them.

    Only where masks are made. Without them most of the time goes into what concerns the scene as a whole, and handing
    points over takes about as long as what remains.
    """
    return Division(partial(_parts, part_keyframes), _begin, _cut, _label_part, _joined)


def _parts(part_keyframes: int, scene: Scene, settings: Settings, workers: int) -> int:
    keyframes, masked = len(scene.keyframes), any(map(settings.with_masks, settings.formats))
    if not masked or keyframes <= 2 * part_keyframes or scene.annotated_sweeps is not None:
        return 1
    parts = -(-keyframes // part_keyframes)
    # As many for each worker, but none of less than half as many keyframes.
    most = max(parts, min(2 * keyframes // part_keyframes, keyframes))
    return min(-(-parts // workers) * workers, most)


def _begin(scene: Scene, settings: Settings) -> tuple[AggregatedScene | None, Outcome | None]:
    aggregated: list[AggregatedScene] = []

    def begin() -> Outcome:
        aggregated.extend(filter(None, [aggregated_scene(_checked(scene, settings), settings)]))
        return _counted(scene, 0)

    outcome = _reported(scene.name, begin)
    return (aggregated[0], None) if aggregated else (None, outcome)


def _cut(aggregated: AggregatedScene, settings: Settings, part: int, parts: int) -> AggregatedScene:
    of_part = [len(aggregated.keyframes) * n // parts for n in (part, part + 1)]
    return aggregated.cut(aggregated.keyframes[slice(*of_part)], settings.num_sweeps)


def _label_part(piece: AggregatedScene, settings: Settings, on_keyframe: Callable[[], None]) -> Outcome:
    def label() -> Outcome:
        labelled = label_keyframes(piece, settings, on_keyframe)
        return Outcome(piece.scene.name, labelled, len(piece.keyframes) - labelled)

    return _reported(piece.scene.name, label)


def _joined(outcomes: Sequence[Outcome]) -> Outcome:
    """The outcome of a scene whose parts were labelled; the first that failed, if any did."""
    failed = [outcome for outcome in outcomes if outcome.error]
    if failed:
        return failed[0]
    sums = (sum(getattr(outcome, name) for outcome in outcomes) for name in ('labelled', 'present', 'seconds'))
    return Outcome(outcomes[0].scene_name, *sums)


def write_log(path: Path, outcomes: Sequence[Outcome]) -> bool:
    """Add the tracebacks of what went wrong to a file; whether there were any."""
    logs = [f'{time.strftime("%Y-%m-%d %H:%M:%S")} {each.scene_name}\n{each.log}\n' for each in outcomes if each.log]
    if logs:
        with open(path, 'a', encoding='utf-8') as file:
            file.writelines(logs)
    return bool(logs)
