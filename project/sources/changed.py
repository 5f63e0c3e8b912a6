"""A source whose scenes are changed after they are loaded."""

from collections.abc import Callable, Mapping, Sequence

from project.sources.base import Scene, SceneSource


class ChangedScenes:
    """A source whose scenes are those of another source, each changed by a function.

    Args:
        source: the other source.
        change: makes of a scene the one that is wanted; a function of a module, so that processes can share it.
    """

    def __init__(self, source: SceneSource, change: Callable[[Scene], Scene]):
        self.version: str = source.version
        self.scene_names: Sequence[str] = source.scene_names
        self.left_out: Sequence[str] = source.left_out
        self._source, self._change = source, change

    @property
    def splits(self) -> Mapping[str, frozenset[str]]:
        """Names of the scenes of ``train`` and ``val``."""
        return self._source.splits

    def load(self, name: str) -> Scene:
        """A scene as plain arrays; see :meth:`project.sources.base.SceneSource.load`."""
        return self._change(self._source.load(name))
