"""Labels many scenes at once: each worker labels one scene at a time, and a scene that fails stops no other."""

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from project.errors import what_is_wrong
from project.execution.executor import Executor, Lost, Work
from project.formats import points
from project.labels.pipeline import label_scene
from project.labels.run.settings import Settings
from project.sources.base import Scene
from project.sources.file_checks import check_files
from project.sources.intensity import check_intensity


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
) -> list[Outcome]:
    """Label scenes; the files depend neither on who does it nor on the order.

    Args:
        scenes: what to label.
        settings: how.
        executor: who does it, such as :class:`project.execution.processes.Processes`.
        on_progress: called from time to time with the number of keyframes labelled so far.
        work, shared: who labels a scene and what it is given, where that is not :func:`label_reported` and `settings`.

    Returns:
        What became of each scene, in their order.
    """
    work, shared = (label_reported, settings) if work is None else (work, shared)
    outcomes = executor.run(work, scenes, shared, on_progress, lambda outcome: outcome.elsewhere)
    return [
        Outcome(scenes[number].name, error=outcome.reason) if isinstance(outcome, Lost) else outcome
        for number, outcome in enumerate(outcomes)
    ]


def label_reported(scene: Scene, settings: Settings, on_keyframe: Callable[[], None]) -> Outcome:
    """Label a scene, and report errors instead of raising them."""
    start = time.perf_counter()
    labelled, error, log, elsewhere = 0, None, None, False
    try:
        check_files(scene)
        if points.NAME in settings.formats:
            check_intensity(scene)
        labelled = label_scene(scene, settings, on_keyframe)
    except Exception as problem:
        error, log = what_is_wrong(problem), traceback.format_exc()
        elsewhere = isinstance(problem, OSError | MemoryError)
    present = 0 if error else len(scene.keyframes) - labelled
    return Outcome(scene.name, labelled, present, time.perf_counter() - start, error, log, elsewhere)


def write_log(path: Path, outcomes: Sequence[Outcome]) -> bool:
    """Add the tracebacks of what went wrong to a file; whether there were any."""
    logs = [f'{time.strftime("%Y-%m-%d %H:%M:%S")} {each.scene_name}\n{each.log}\n' for each in outcomes if each.log]
    if logs:
        with open(path, 'a', encoding='utf-8') as file:
            file.writelines(logs)
    return bool(logs)
