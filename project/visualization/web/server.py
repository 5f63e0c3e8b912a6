"""Serves the browser page and its frames from this machine."""

import sys
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import numpy as np
from PIL import Image

from project.visualization.frame import CameraImage
from project.visualization.render.camera_images import image_size
from project.visualization.sources.frame_source import FrameSource
from project.visualization.web.access import HEADERS, refusal
from project.visualization.web.frames import FrameMaker
from project.visualization.web.page import manifest, page, small_jpeg

IDLE_SECONDS = 30
"""A connection on which nothing moves for so long is closed."""


class ViewerServer(ThreadingHTTPServer):
    """Serves frames of a source, and nothing else of this machine.

    Args:
        source: where frames come from.
        scene: scene to begin with.
        indices: which of its frames to show; other scenes are shown whole.
        address: host and port; port 0 takes a free one.
    """

    daemon_threads = True

    def __init__(self, source: FrameSource, scene: str, indices: list[int], address: tuple[str, int]):
        super().__init__(address, _Handler)
        self.host = address[0]
        chosen: dict[str, Sequence[int]] = {
            name: indices if name == scene else range(len(tokens)) for name, tokens in source.scenes.items()
        }
        scenes = {
            name: [{'index': index, 'token': source.scenes[name][index]} for index in places]
            for name, places in chosen.items()
        }
        self.frames = FrameMaker(source, chosen)
        # The first frame is ready before anybody asks.
        self.page = page(manifest(scenes, self.frames.frame(scene, indices[0]).frame)).encode()

    def handle_error(self, request, client_address) -> None:
        """A browser that goes away or stalls in the middle of an answer is no error."""
        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        """Address of the page."""
        host, port = self.socket.getsockname()[:2]
        return f'http://{host}:{port}/'

    def content(self, path: str) -> tuple[bytes, str]:
        """Body and type of what lies at a path.

        Raises:
            KeyError: nothing does.
            ValueError, FileNotFoundError: a file of the source is missing or damaged.
        """
        match [unquote(part) for part in path.removeprefix('/').split('/')]:
            case ['']:
                return self.page, 'text/html; charset=utf-8'
            case ['frames', scene, index] if index.isdecimal():
                return self.frames.frame(scene, int(index)).encoded, 'application/octet-stream'
            case ['images', scene, index, camera] if index.isdecimal():
                return _image(self.frames.frame(scene, int(index)).cameras[camera])
        raise KeyError(path)


class _Handler(BaseHTTPRequestHandler):
    server: ViewerServer
    timeout = IDLE_SECONDS

    def do_GET(self) -> None:
        text = 'text/plain; charset=utf-8'
        refused = refusal(self.headers, self.server.host)
        try:
            if refused is not None:
                status, body, kind = 403, refused.encode(), text
            else:
                status, (body, kind) = 200, self.server.content(self.path.split('?')[0])
        except KeyError:
            status, body, kind = 404, b'there is no such thing here', text
        except (ValueError, FileNotFoundError) as error:
            status, body, kind = 500, str(error).encode(), text
        self.send_response(status)
        for name, value in {'Content-Type': kind, 'Content-Length': str(len(body)), **HEADERS}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments) -> None:
        """Log nothing; errors show in the page."""


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
    # Tables may name any file; only images leave this machine.
    image_size(camera)
    with Image.open(camera.image) as image:
        return camera.image.read_bytes(), Image.MIME.get(image.format or '', 'application/octet-stream')
