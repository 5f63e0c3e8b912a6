"""Makes frames for the browser page, one at a time in their own thread."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from itertools import pairwise
from queue import Empty, LifoQueue
from threading import Lock, Thread
from typing import NamedTuple

from project.visualization.frame import CameraImage, Frame
from project.visualization.sources.frame_source import FrameSource
from project.visualization.web.page import encode_frame

LOOK_AHEAD_SECONDS = 0.5
"""Delay before the next frame is prepared: by then the browser, on the same cores, has drawn the current one."""
KEPT_FRAMES = 16

Key = tuple[str, int]


class Shown(NamedTuple):
    """A frame in the form that the page needs.

    Attributes:
        frame: as the source gave it.
        encoded: the same for the page.
        cameras: by name.
    """

    frame: Frame
    encoded: bytes
    cameras: dict[str, CameraImage]


class FrameMaker:
    """Makes each frame of a source once; frames that are ready are returned at once.

    A source may be a model, so only one thread uses it. The latest request is served first: a user who drags a slider
    waits for the frame where it stops. When no request comes for a while, the next frame is prepared.

    Args:
        source: where frames come from.
        chosen: places of the frames of each scene that may be asked for.
    """

    def __init__(self, source: FrameSource, chosen: Mapping[str, Sequence[int]]):
        self._source = source
        self._places = {(scene, index) for scene, indices in chosen.items() for index in indices}
        self._following = {
            (scene, index): (scene, following)
            for scene, indices in chosen.items()
            for index, following in pairwise(indices)
        }
        self._made: OrderedDict[Key, Future[Shown]] = OrderedDict()
        self._lock = Lock()
        self._wanted: LifoQueue[tuple[Key, Future[Shown]]] = LifoQueue()
        Thread(target=self._work, daemon=True).start()

    def frame(self, scene: str, index: int) -> Shown:
        """A frame; waits until it is made.

        Raises:
            KeyError: it is not among the chosen ones.
            ValueError, FileNotFoundError: a file of the source is missing or damaged.
        """
        key = scene, index
        if key not in self._places:
            raise KeyError(key)
        future = self._future(key)
        self._wanted.put((key, future))
        return future.result()

    def _future(self, key: Key) -> Future[Shown]:
        with self._lock:
            future = self._made.get(key)
            # A frame that failed is tried again: its file may have been repaired.
            if future is None or (future.done() and future.exception()):
                future = self._made[key] = Future()
            self._made.move_to_end(key)
            while len(self._made) > KEPT_FRAMES:
                self._made.popitem(last=False)
            return future

    def _work(self) -> None:
        following: Key | None = None
        while True:
            try:
                key, future = self._wanted.get(timeout=None if following is None else LOOK_AHEAD_SECONDS)
            except Empty:
                assert following is not None
                self._make(following, self._future(following))
                following = None
            else:
                self._make(key, future)
                following = self._following.get(key)

    def _make(self, key: Key, future: Future[Shown]) -> None:
        if future.done():
            return
        try:
            frame = self._source.frame(*key)
            future.set_result(Shown(frame, encode_frame(frame), {camera.name: camera for camera in frame.cameras}))
        except Exception as error:  # The thread that waits for the frame raises it.
            future.set_exception(error)
