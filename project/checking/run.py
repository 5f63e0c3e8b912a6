"""Many scenes are checked: one process a worker, one scene at a time, and no scene stops another."""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from project.checking.scene import SceneReport, Task, check_scene
from project.errors import what_is_wrong
from project.sources.base import Scene
from project.workers import worker_pool

POLL_S = 0.2


def sampled(scenes: Sequence[Scene], keyframes: int) -> list[Scene]:
    """Scenes spread evenly over all, as many as have so many keyframes together; all of them for 0."""
    total = sum(len(scene.keyframes) for scene in scenes)
    if not keyframes or total <= keyframes:
        return list(scenes)
    wanted = max(1, round(len(scenes) * keyframes / total))
    return [scenes[i * len(scenes) // wanted] for i in range(wanted)]


def check_scenes(
    scenes: Sequence[Scene], task: Task, workers: int, on_progress: Callable[[int], None] = lambda done: None
) -> list[SceneReport]:
    """Check scenes; the figures do not depend on the number of workers.

    Args:
        scenes: what to check.
        task: how.
        workers: number of processes; 1 works in this one.
        on_progress: called from time to time with the number of keyframes checked so far.

    Returns:
        What was found in each, in their order.
    """
    if workers == 1 or len(scenes) < 2:
        return _check_here(scenes, task, on_progress)
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload([check_scene.__module__])
    counter = context.Value('q', 0)
    with worker_pool(min(workers, len(scenes)), context, _share_counter, (counter,)) as pool:
        futures = [pool.submit(_check_counted, scene, task) for scene in scenes]
        pending = set(futures)
        while pending:
            _, pending = wait(pending, POLL_S, FIRST_COMPLETED)
            # Read without its lock, which a worker that was killed may hold.
            on_progress(counter.get_obj().value)
        return [_result(future, scene) for future, scene in zip(futures, scenes, strict=True)]


def _check_here(scenes: Sequence[Scene], task: Task, on_progress: Callable[[int], None]) -> list[SceneReport]:
    done = 0

    def on_keyframe() -> None:
        nonlocal done
        done += 1
        on_progress(done)

    return [_check_reported(scene, task, on_keyframe) for scene in scenes]


def _check_reported(scene: Scene, task: Task, on_keyframe: Callable[[], None]) -> SceneReport:
    try:
        return check_scene(scene, task, on_keyframe)
    except Exception as problem:
        return SceneReport(scene.name, error=what_is_wrong(problem))


def _result(future: Future, scene: Scene) -> SceneReport:
    try:
        return future.result()
    except BrokenProcessPool:
        error = 'a worker was killed, most likely for lack of memory; run again with fewer --workers'
        return SceneReport(scene.name, error=error)


_counter: Any = None


def _share_counter(counter) -> None:
    global _counter
    _counter = counter


def _check_counted(scene: Scene, task: Task) -> SceneReport:
    def on_keyframe() -> None:
        with _counter.get_lock():
            _counter.value += 1

    return _check_reported(scene, task, on_keyframe)
