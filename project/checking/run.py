"""Checks many scenes at once: each worker checks one scene at a time, and a scene that fails stops no other."""

from collections.abc import Callable, Sequence

from project.checking.scene_check import SceneReport, Task, check_scene
from project.errors import what_is_wrong
from project.execution.executor import Executor, Lost
from project.sources.base import Scene, SceneSource


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
    scenes: Sequence[Scene], task: Task, executor: Executor, on_progress: Callable[[int], None] = lambda done: None
) -> list[SceneReport]:
    """Check scenes; the figures do not depend on who does it.

    Args:
        scenes: what to check.
        task: how.
        executor: who does it.
        on_progress: called from time to time with the number of keyframes checked so far.

    Returns:
        The results in the order of the scenes.
    """
    reports = executor.run(_check_reported, scenes, task, on_progress)
    return [
        SceneReport(scenes[number].name, error=report.reason) if isinstance(report, Lost) else report
        for number, report in enumerate(reports)
    ]


def _check_reported(scene: Scene, task: Task, on_keyframe: Callable[[], None]) -> SceneReport:
    try:
        return check_scene(scene, task, on_keyframe)
    except Exception as problem:
        return SceneReport(scene.name, error=what_is_wrong(problem))
