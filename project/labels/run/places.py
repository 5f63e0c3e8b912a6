"""Where recordings come from and labels go: folders of this machine, or URLs that local folders stand for."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from project.labels.run.pose_files import FOLDER as POSES
from project.storage.mirror import Mirror
from project.storage.mounts import CacheChoice, is_url, local_path, mirror_at, mounted, scratch
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
