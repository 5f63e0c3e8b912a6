"""Labels many scenes at once: each worker process labels one scene at a time, and a scene that fails stops no other."""

import multiprocessing
import time
import traceback
from collections.abc import Callable, MutableSequence, Sequence
from dataclasses import dataclass
from pathlib import Path

from project.errors import what_is_wrong
from project.labels.pipeline import label_scene
from project.labels.run.settings import Settings
from project.sources.base import Scene
from project.sources.file_checks import check_files
from project.workers import call_each

KILLED = 'the process that labelled it was killed twice, most likely for lack of memory; run again with fewer --workers'


@dataclass(frozen=True)
class Outcome:
    """What became of a scene.

    Attributes:
        scene_name: its name.
        labelled: keyframes labelled now.
        present: keyframes that had all their files already.
        seconds: time it took.
        error: what went wrong, None if nothing did.
        log: the traceback of that, where there is one.
    """

    scene_name: str
    labelled: int = 0
    present: int = 0
    seconds: float = 0.0
    error: str | None = None
    log: str | None = None


def convert(
    scenes: Sequence[Scene], settings: Settings, workers: int, on_progress: Callable[[int], None] = lambda done: None
) -> list[Outcome]:
    """Label scenes; the files do not depend on the number of workers.

    Args:
        scenes: what to label.
        settings: how.
        workers: number of processes; 1 works in this one.
        on_progress: called from time to time with the number of keyframes labelled so far.

    Returns:
        What became of each scene, in their order.
    """
    if workers == 1 or len(scenes) < 2:
        return _convert_here(scenes, settings, on_progress)
    # Forks of a fresh process that has imported everything: a fork of this one, in which threads run, might hang.
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload([label_scene.__module__])
    # A number of each scene's own, since a lock would stay closed when the process that holds it is killed.
    done = context.RawArray('q', len(scenes))
    outcomes = call_each(
        _label_counted, scenes, min(workers, len(scenes)), context, _share, (settings, done),
        lambda: on_progress(sum(done)),
    )  # fmt: skip
    return [outcome or Outcome(scenes[number].name, error=KILLED) for number, outcome in enumerate(outcomes)]


def label_reported(scene: Scene, settings: Settings, on_keyframe: Callable[[], None]) -> Outcome:
    """Label a scene, and report errors instead of raising them."""
    start = time.perf_counter()
    labelled, error, log = 0, None, None
    try:
        check_files(scene)
        labelled = label_scene(scene, settings, on_keyframe)
    except Exception as problem:
        error, log = what_is_wrong(problem), traceback.format_exc()
    present = 0 if error else len(scene.keyframes) - labelled
    return Outcome(scene.name, labelled, present, time.perf_counter() - start, error, log)


def _convert_here(scenes: Sequence[Scene], settings: Settings, on_progress: Callable[[int], None]) -> list[Outcome]:
    done = 0

    def on_keyframe() -> None:
        nonlocal done
        done += 1
        on_progress(done)

    return [label_reported(scene, settings, on_keyframe) for scene in scenes]


_settings: Settings
_done: MutableSequence[int] = []


def _share(settings: Settings, done: MutableSequence[int]) -> None:
    global _settings, _done
    _settings, _done = settings, done


def _label_counted(number: int, scene: Scene) -> Outcome:
    def on_keyframe() -> None:
        _done[number] += 1

    return label_reported(scene, _settings, on_keyframe)


def write_log(path: Path, outcomes: Sequence[Outcome]) -> bool:
    """Add the tracebacks of what went wrong to a file; whether there were any."""
    logs = [f'{time.strftime("%Y-%m-%d %H:%M:%S")} {each.scene_name}\n{each.log}\n' for each in outcomes if each.log]
    if logs:
        with open(path, 'a', encoding='utf-8') as file:
            file.writelines(logs)
    return bool(logs)
