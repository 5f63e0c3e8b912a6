"""Serves the browser page and its frames from this machine."""

import mimetypes
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from threading import RLock, Timer
from urllib.parse import unquote

import numpy as np

from project.visualization.frame import CameraImage, Frame
from project.visualization.sources.base import FrameSource
from project.visualization.web.page import encode_frame, manifest, page, small_jpeg

LOOK_AHEAD_SECONDS = 0.5
"""When the next frame is made ready after one was asked for: once the browser, on the same cores, has drawn that."""


class ViewerServer(ThreadingHTTPServer):
    """Serves frames of a source.

    Args:
        source: where frames come from.
        scene: scene to begin with.
        indices: which of its frames to show; other scenes are shown whole.
        address: host and port; port 0 takes a free one.
    """

    daemon_threads = True

    def __init__(self, source: FrameSource, scene: str, indices: list[int], address: tuple[str, int]):
        super().__init__(address, _Handler)
        # Requests come in several threads; a source may be a model, and no frame should be made twice.
        self._lock = RLock()
        self._timer: Timer | None = None
        self._chosen: dict[str, Sequence[int]] = {
            name: indices if name == scene else range(len(tokens)) for name, tokens in source.scenes.items()
        }
        scenes = {
            name: [{'index': index, 'token': source.scenes[name][index]} for index in places]
            for name, places in self._chosen.items()
        }
        self._frame = lru_cache(maxsize=8)(source.frame)
        self._encoded_frame = lru_cache(maxsize=32)(lambda name, index: encode_frame(self._frame(name, index)))
        # The first frame is ready before anybody asks.
        self.page = page(manifest(scenes, self.frame(scene, indices[0]))).encode()
        self.encoded_frame(scene, indices[0])

    def frame(self, scene: str, index: int) -> Frame:
        """A frame of the source."""
        with self._lock:
            return self._frame(scene, index)

    def encoded_frame(self, scene: str, index: int) -> bytes:
        """A frame for the page."""
        with self._lock:
            return self._encoded_frame(scene, index)

    def look_ahead(self, scene: str, index: int) -> None:
        """Soon make the frame after this one ready, unless another is asked for until then."""
        if self._timer:
            self._timer.cancel()
        following = dict(pairwise(self._chosen[scene])).get(index)
        if following is not None:
            self._timer = timer = Timer(LOOK_AHEAD_SECONDS, self._prepare, (scene, following))
            timer.daemon = True
            timer.start()

    def handle_error(self, request, client_address) -> None:
        """A browser that goes away in the middle of an answer is no error."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def _prepare(self, scene: str, index: int) -> None:
        # Whoever asks for that frame is told what is wrong with it.
        with suppress(ValueError, FileNotFoundError):
            self.encoded_frame(scene, index)

    @property
    def url(self) -> str:
        """Address of the page."""
        host, port = self.socket.getsockname()[:2]
        return f'http://{host}:{port}/'

    def content(self, path: str) -> tuple[bytes, str]:
        """Body and type of what lies at a path.

        Raises:
            KeyError, IndexError: nothing does.
            ValueError, FileNotFoundError: a file of the source is missing or damaged.
        """
        kind, *rest = [unquote(part) for part in path.lstrip('/').split('/')]
        if kind == '' and not rest:
            return self.page, 'text/html; charset=utf-8'
        if kind == 'frames' and len(rest) == 2 and rest[1].isdecimal():
            body = self.encoded_frame(rest[0], int(rest[1]))
            self.look_ahead(rest[0], int(rest[1]))
            return body, 'application/octet-stream'
        if kind == 'images' and len(rest) == 3 and rest[1].isdecimal():
            cameras = {camera.name: camera for camera in self.frame(rest[0], int(rest[1])).cameras}
            return _image(cameras[rest[2]])
        raise KeyError(path)


class _Handler(BaseHTTPRequestHandler):
    server: ViewerServer

    def do_GET(self) -> None:
        try:
            status, (body, kind) = 200, self.server.content(self.path.split('?')[0])
        except (KeyError, IndexError):
            status, body, kind = 404, b'there is no such thing here', 'text/plain'
        except (ValueError, FileNotFoundError) as error:
            status, body, kind = 500, str(error).encode(), 'text/plain; charset=utf-8'
        self.send_response(status)
        self.send_header('Content-Type', kind)
        self.send_header('Content-Length', str(len(body)))
        self.send_header('Cache-Control', 'no-store')
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments) -> None:
        """Keep quiet; errors show in the page."""


def serve(source: FrameSource, scene: str, indices: list[int], address: str) -> None:
    """Serve a source until interrupted.

    Raises:
        ValueError: the address is not HOST:PORT, or is taken.
    """
    host, _, port = address.rpartition(':')
    if not port.isdecimal():
        raise ValueError(f'--serve {address}: give HOST:PORT, such as 127.0.0.1:8080')
    try:
        server = ViewerServer(source, scene, indices, (host or '127.0.0.1', int(port)))
    except (OSError, OverflowError) as error:
        raise ValueError(f'--serve {address}: {error}; choose another HOST:PORT') from error
    print(f'Open {server.url} (Ctrl-C ends)')
    print(f'From another machine: ssh -L {port}:{host or "127.0.0.1"}:{port} THIS_MACHINE, then the same address there')
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print()
    finally:
        server.server_close()


def _image(camera: CameraImage) -> tuple[bytes, str]:
    if isinstance(camera.image, np.ndarray):
        return small_jpeg(camera), 'image/jpeg'
    return camera.image.read_bytes(), mimetypes.guess_type(camera.image.name)[0] or 'image/jpeg'
