"""Checks many scenes at once: each worker process checks one scene at a time, and a scene that fails stops no other."""

import multiprocessing
from collections.abc import Callable, MutableSequence, Sequence

from project.checking.scene_check import SceneReport, Task, check_scene
from project.errors import what_is_wrong
from project.sources.base import Scene, SceneSource
from project.workers import call_each

KILLED = 'the process that checked it was killed twice, most likely for lack of memory; run again with fewer --workers'


def sampled(
    source: SceneSource, keyframes: int, wanted: Callable[[Scene], bool]
) -> tuple[list[Scene], dict[str, str], bool]:
    """Scenes spread evenly over a source; only these are loaded.

    Args:
        source: the scenes.
        keyframes: this many keyframes are enough; 0 for all scenes.
        wanted: whether a scene is to be checked.

    Returns:
        The scenes in their order, what is wrong with those that cannot be loaded, by name, and whether that is all.
    """
    names = list(source.scene_names)
    # Steps of the golden ratio fall evenly into a ring, however many of them there are.
    order = sorted(range(len(names)), key=lambda i: (i * 0.6180339887498949) % 1) if keyframes else range(len(names))
    chosen: dict[int, Scene] = {}
    broken: dict[str, str] = {}
    seen = 0
    for i in order:
        if keyframes and sum(len(scene.keyframes) for scene in chosen.values()) >= keyframes:
            break
        seen += 1
        try:
            scene = source.load(names[i])
        except (OSError, ValueError) as error:
            broken[names[i]] = what_is_wrong(error)
            continue
        if wanted(scene):
            chosen[i] = scene
    return [chosen[i] for i in sorted(chosen)], broken, seen == len(names)


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
        The results in the order of the scenes.
    """
    if workers == 1 or len(scenes) < 2:
        return _check_here(scenes, task, on_progress)
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload([check_scene.__module__])
    done = context.RawArray('q', len(scenes))
    reports = call_each(
        _check_counted, scenes, min(workers, len(scenes)), context, _share, (task, done), lambda: on_progress(sum(done))
    )
    return [report or SceneReport(scenes[number].name, error=KILLED) for number, report in enumerate(reports)]


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


_task: Task
_done: MutableSequence[int]


def _share(task: Task, done: MutableSequence[int]) -> None:
    global _task, _done
    _task, _done = task, done


def _check_counted(number: int, scene: Scene) -> SceneReport:
    def on_keyframe() -> None:
        _done[number] += 1

    return _check_reported(scene, _task, on_keyframe)
