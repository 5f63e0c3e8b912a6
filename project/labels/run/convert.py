"""Labels of many scenes at once: one process a worker, one scene at a time, and no scene stops another."""

import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

from project.errors import what_is_wrong
from project.labels.pipeline import label_scene
from project.labels.run.settings import Settings
from project.sources.base import Scene
from project.workers import worker_pool

POLL_S = 0.2


@dataclass(frozen=True)
class Outcome:
    """What became of a scene.

    Attributes:
        scene_name: its name.
        labelled: keyframes labelled now.
        present: keyframes that had all their files already.
        seconds: time it took.
        error: what went wrong, None if nothing did.
    """

    scene_name: str
    labelled: int = 0
    present: int = 0
    seconds: float = 0.0
    error: str | None = None


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
    counter = context.Value('q', 0)
    with worker_pool(min(workers, len(scenes)), context, _share_counter, (counter,)) as pool:
        futures = [pool.submit(_label_counted, scene, settings) for scene in scenes]
        pending: set[Future] = set(futures)
        while pending:
            _, pending = wait(pending, POLL_S, FIRST_COMPLETED)
            # Read without its lock, which a worker that was killed may hold.
            on_progress(counter.get_obj().value)
        return [_result(future, scene) for future, scene in zip(futures, scenes, strict=True)]


def label_reported(scene: Scene, settings: Settings, on_keyframe: Callable[[], None]) -> Outcome:
    """Label a scene, and report what goes wrong instead of raising it."""
    start = time.perf_counter()
    labelled, error = 0, None
    try:
        labelled = label_scene(scene, settings, on_keyframe)
    except Exception as problem:
        error = what_is_wrong(problem)
    present = 0 if error else len(scene.keyframes) - labelled
    return Outcome(scene.name, labelled, present, time.perf_counter() - start, error)


def _convert_here(scenes: Sequence[Scene], settings: Settings, on_progress: Callable[[int], None]) -> list[Outcome]:
    done = 0

    def on_keyframe() -> None:
        nonlocal done
        done += 1
        on_progress(done)

    return [label_reported(scene, settings, on_keyframe) for scene in scenes]


_counter = None


def _share_counter(counter) -> None:
    global _counter
    _counter = counter


def _label_counted(scene: Scene, settings: Settings) -> Outcome:
    def on_keyframe() -> None:
        with _counter.get_lock():
            _counter.value += 1

    return label_reported(scene, settings, on_keyframe)


def _result(future: Future, scene: Scene) -> Outcome:
    try:
        return future.result()
    except BrokenProcessPool:
        error = 'a worker was killed, most likely for lack of memory; run again with fewer --workers'
        return Outcome(scene.name, error=error)
