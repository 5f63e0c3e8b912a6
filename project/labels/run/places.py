"""Where recordings come from and labels go: folders of this machine, or URLs that local folders stand for."""

import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from project.errors import UserError, what_is_wrong
from project.formats import FORMATS
from project.labels.run.convert import Outcome, label_reported
from project.labels.run.pose_files import FOLDER as POSES
from project.labels.run.pose_files import pose_file
from project.labels.run.settings import Settings
from project.sources.base import Scene
from project.storage.mirror import Mirror
from project.storage.mounts import CacheChoice, is_url, local_path, mirror_at, mounted, scratch, soon
from project.storage.outbox import Outbox
from project.storage.remote import RemoteFolder
from project.storage.remote_lock import remote_lock

STATEMENTS = ('.json', '.pkl', '.log')
"""Endings of the files that say what a folder of labels holds: these are read again by every conversion."""

INDEX = '.pkl'
"""The index is sent last: it lists labels that are there."""


@dataclass(frozen=True)
class Places:
    """Where recordings come from and labels go.

    Attributes:
        dataroot: local folder of the recordings, or the one that mirrors their URL.
        save_path: local folder of the labels, or the one whose files are sent to their URL.
        recordings: the mirror, for a URL.
        labels: what sends, for a URL.
    """

    dataroot: Path
    save_path: Path
    recordings: Mirror | None = None
    labels: Outbox | None = None

    @classmethod
    def opened(cls, dataroot: str, save_path: str | None, cache: CacheChoice) -> 'Places':
        """The places that the options name.

        Args:
            dataroot: path or URL.
            save_path: path or URL; ``occupancy`` below the dataroot by default.
            cache: where copies of recordings are kept.

        Raises:
            UserError: a URL cannot be read, or a package for it is missing.
        """
        save_path = save_path or f'{dataroot.rstrip("/")}/occupancy'
        folder = mounted(dataroot, cache)
        if not is_url(save_path):
            return cls(folder, local_path(save_path), mirror_at(folder))
        labels = Outbox(RemoteFolder(save_path.rstrip('/')), Path(scratch(), 'labels'))
        labels.list_all()
        return cls(folder, labels.folder, mirror_at(folder), labels)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """What the body does to the statements of the labels is based on those of now, and is what the next one sees.

        Folders of this machine have a lock of their own.
        """
        if self.labels is None:
            yield
            return
        with remote_lock(self.labels.remote):
            self.labels.refresh(('', POSES), STATEMENTS)
            yield
            self.labels.push(last=INDEX)

    @property
    def away(self) -> 'Away | None':
        """What workers need to know; None if both places are local."""
        if self.recordings is None and self.labels is None:
            return None
        return Away(self.recordings, self.labels.remote if self.labels else None, scratch())


@dataclass(frozen=True)
class Away:
    """The places that are URLs, as a worker is told of them.

    Attributes:
        recordings: the mirror of the recordings; None if they are local.
        labels: where labels go; None if that is local.
        scratch: a temporary folder on the machine of the command, which removes it.
    """

    recordings: Mirror | None
    labels: RemoteFolder | None
    scratch: Path


def label_away(scene: Scene, shared: tuple[Settings, Away], on_keyframe: Callable[[], None]) -> Outcome:
    """Label a scene whose recording or labels are at a URL, and report errors instead of raising them.

    The sweeps are fetched while the first of them are worked on, and labels are sent while the next are made.
    """
    settings, away = shared
    try:
        with ExitStack() as stack:
            if away.recordings is not None:
                scene = replace(scene, dataroot=away.recordings.folder)
            if away.labels is None:
                outbox = None
            else:
                base = away.scratch if away.scratch.is_dir() else scratch()
                folder = stack.enter_context(TemporaryDirectory(dir=base, prefix=f'{scene.name}-'))
                outbox = Outbox(away.labels, Path(folder))
                settings = replace(settings, save_path=outbox.folder)
                _expect_labels(outbox, scene, settings)
            if away.recordings is not None:
                stack.callback(_let_go, away.recordings, scene)
                if any(map(settings.missing, scene.keyframes)):
                    soon(map(scene.dataroot.joinpath, _files(scene)))

            def on_labels() -> None:
                if outbox is not None:
                    outbox.push_soon()
                on_keyframe()

            outcome = label_reported(scene, settings, on_labels)
            if outbox is not None:
                # Those that are complete are worth keeping, whatever went wrong later.
                outbox.settle()
                outbox.push()
            return outcome
    except Exception as problem:
        log = None if isinstance(problem, UserError) else traceback.format_exc()
        return Outcome(scene.name, error=what_is_wrong(problem), log=log, elsewhere=isinstance(problem, OSError))


def _expect_labels(outbox: Outbox, scene: Scene, settings: Settings) -> None:
    """Have names of the labels that are there already, which are not made again."""
    paths = [pose_file(settings.save_path, scene.name)]
    if not settings.overwrite:
        paths += [settings.save_path / FORMATS[name].path(k) for name in settings.formats for k in scene.keyframes]
    outbox.expect(path.relative_to(outbox.folder).as_posix() for path in paths)


def _files(scene: Scene) -> list[str]:
    """Files that labelling reads, in order of time."""
    pairs = zip(scene.sweep_files, scene.label_files, strict=True)
    return [name for pair in pairs for name in pair if name is not None]


def _let_go(mirror: Mirror, scene: Scene) -> None:
    """End what was begun for a scene; copies that nobody will use again go."""
    mirror.settle()
    if mirror.temporary:
        mirror.drop(_files(scene))
