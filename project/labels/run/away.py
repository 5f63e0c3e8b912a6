"""Labels scenes whose recordings or labels are at URLs: files are fetched ahead, labels are sent meanwhile."""

import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from project.errors import UserError, what_is_wrong
from project.execution.executor import Division, Followed
from project.formats import FORMATS
from project.labels.pipeline import AggregatedScene
from project.labels.run.convert import Outcome, division_of, label_reported
from project.labels.run.places import Away
from project.labels.run.pose_files import pose_file
from project.labels.run.settings import Settings
from project.sources.base import Scene
from project.sources.records import Keyframe
from project.storage.mirror import Mirror
from project.storage.mounts import later, scratch, soon
from project.storage.outbox import Outbox

Shared = tuple[Settings, Away]
"""What the work on all scenes has in common."""


def label_away(followed: Followed, shared: Shared, on_keyframe: Callable[[], None]) -> Outcome:
    """Label a scene, and report errors instead of raising them.

    The sweeps are fetched while the first of them are worked on, and then those of the scene that comes next.

    Args:
        followed: the scene, and what :func:`files_to_fetch` says of the next one.
        shared: the settings, and where everything is.
        on_keyframe: called after each keyframe that was labelled.
    """
    scene = followed.item

    def label() -> Outcome:
        with _near(scene, scene.keyframes, shared) as near:
            near.fetch(followed.upcoming or ())
            return label_reported(near.scene, near.settings, near.sending(on_keyframe))

    return _reported(scene.name, label)


def files_to_fetch(scene: Scene, settings: Settings) -> list[str]:
    """Files that labelling reads, in this order, seen from the recording's folder; none if all labels are there."""
    if not any(map(settings.missing, scene.keyframes)):
        return []
    return _files(scene)


def division_away(of_here: Division | None = None) -> Division:
    """How workers divide long scenes: parts read nothing of the recording, so only the beginning fetches files.

    Args:
        of_here: how scenes are divided whose files are local; as :func:`division_of` does by default.
    """
    of_here = of_here or division_of()
    return Division(
        partial(_parts, of_here), partial(_begin, of_here), partial(_cut, of_here), partial(_label_part, of_here),
        of_here.join,
    )  # fmt: skip


def _parts(of_here: Division, scene: Scene, shared: Shared, workers: int) -> int:
    return of_here.parts(scene, shared[0], workers)


def _begin(of_here: Division, scene: Scene, shared: Shared) -> tuple[Any, Outcome | None]:
    content = None

    def begin() -> Outcome | None:
        nonlocal content
        with _near(scene, scene.keyframes, shared) as near:
            near.fetch()
            content, outcome = of_here.begin(near.scene, near.settings)
            return outcome

    outcome = _reported(scene.name, begin)
    return (content, None) if outcome is None else (None, outcome)


def _cut(of_here: Division, content: Any, shared: Shared, part: int, parts: int) -> Any:
    return of_here.cut(content, shared[0], part, parts)


def _label_part(
    of_here: Division, piece: AggregatedScene, shared: Shared, on_keyframe: Callable[[], None]
) -> Outcome | None:
    def label() -> Outcome:
        keyframes = [piece.scene.keyframes[k] for k in piece.keyframes]
        with _near(piece.scene, keyframes, (shared[0], replace(shared[1], recordings=None))) as near:
            return of_here.work(piece, near.settings, near.sending(on_keyframe))

    return _reported(piece.scene.name, label)


@dataclass(frozen=True)
class _Near:
    """A scene and its labels in local folders of this process."""

    scene: Scene
    settings: Settings
    outbox: Outbox | None

    def fetch(self, upcoming: Sequence[str] = ()) -> None:
        """Begin to fetch what is needed, and after that files of another scene."""
        soon(map(self.scene.dataroot.joinpath, files_to_fetch(self.scene, self.settings)))
        later(map(self.scene.dataroot.joinpath, upcoming))

    def sending(self, on_keyframe: Callable[[], None]) -> Callable[[], None]:
        """The function to be called after a keyframe: its labels are sent, too."""

        def on_labels() -> None:
            if self.outbox is not None:
                self.outbox.push_soon()
            on_keyframe()

        return on_labels


@contextmanager
def _near(scene: Scene, keyframes: Sequence[Keyframe], shared: Shared) -> Iterator[_Near]:
    """Have local folders for a scene; with the body's end all labels have been sent, and copies that nobody needs go.

    Args:
        scene: the scene.
        keyframes: those to be labelled.
        shared: the settings, and where everything is.

    Raises:
        RemoteError, OSError: the store cannot be asked for labels, or does not take them.
    """
    settings, away = shared
    with ExitStack() as stack:
        if away.recordings is not None:
            scene = replace(scene, dataroot=away.recordings.folder)
            # This may not be the scene that was expected: another worker had nothing else to do.
            away.recordings.drop_ahead(_files(scene))
            stack.callback(_let_go, away.recordings, scene)
        outbox = None
        if away.labels is not None:
            base = away.scratch if away.scratch.is_dir() else scratch()
            folder = stack.enter_context(TemporaryDirectory(dir=base, prefix=f'{scene.name}-'))
            outbox = Outbox(away.labels, Path(folder))
            settings = replace(settings, save_path=outbox.folder)
            _expect_labels(outbox, scene.name, keyframes, settings)
        yield _Near(scene, settings, outbox)
        if outbox is not None:
            # Those that are complete are worth keeping, whatever went wrong later.
            outbox.settle()
            outbox.push()


def _reported(name: str, work: Callable[[], Outcome | None]) -> Any:
    """The outcome of some work on a scene; errors of the store are reported in it."""
    try:
        return work()
    except Exception as problem:
        log = None if isinstance(problem, UserError) else traceback.format_exc()
        return Outcome(name, error=what_is_wrong(problem), log=log, elsewhere=isinstance(problem, OSError))


def _expect_labels(outbox: Outbox, scene_name: str, keyframes: Sequence[Keyframe], settings: Settings) -> None:
    """Have names of the labels that are there already, which are not made again."""
    paths = [pose_file(settings.save_path, scene_name)]
    if not settings.overwrite:
        paths += [settings.save_path / FORMATS[name].path(k) for name in settings.formats for k in keyframes]
    outbox.expect(path.relative_to(outbox.folder).as_posix() for path in paths)


def _files(scene: Scene) -> list[str]:
    """The images that :func:`project.sources.file_checks.check_files` looks at, sweeps and point labels."""
    images = [each.file for each in scene.records[0].cameras.values() if each.size_px] if scene.records else []
    pairs = zip(scene.sweep_files, scene.label_files, strict=True)
    return images + [name for pair in pairs for name in pair if name is not None]


def _let_go(mirror: Mirror, scene: Scene) -> None:
    """End what was begun for a scene; copies that nobody will use again go."""
    mirror.settle()
    if mirror.temporary:
        mirror.drop(_files(scene))
