"""A proxy before a server that does what networks do: it is slow, fails, and cuts bodies short."""

import http.client
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from urllib.parse import unquote, urlsplit


@dataclass
class Faults:
    """What goes wrong; may be changed while the proxy runs.

    Attributes:
        latency_s: before each answer.
        fail_every: each n-th request gets the status 503.
        drop_every: of each n-th request the connection is closed without an answer.
        cut_every: of each n-th body that is read only half comes.
        lie: a body that was cut says that it is whole, as of a store that sends no checksums.
        only: faults are for paths with this text.
        method: faults are for requests of this method; for all by default.
        requests: method and path of those that came.
        waiting: requests that wait for their answer.
        most_waiting: the most that ever did so at a time.
    """

    latency_s: float = 0.0
    fail_every: int = 0
    drop_every: int = 0
    cut_every: int = 0
    lie: bool = False
    only: str = ''
    method: str = ''
    requests: list[tuple[str, str]] = field(default_factory=list)
    waiting: int = 0
    most_waiting: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def wait(self) -> None:
        """Wait as long as an answer takes."""
        self._count(1)
        time.sleep(self.latency_s)
        self._count(-1)

    def _count(self, more: int) -> None:
        with self._lock:
            self.waiting += more
            self.most_waiting = max(self.most_waiting, self.waiting)

    def contents_read(self) -> list[str]:
        """Paths of the objects whose content was asked for."""
        return [path.partition('?')[0] for method, path in self.requests if method == 'GET' and 'list-type' not in path]


@contextmanager
def faulty_proxy(server: str, faults: Faults):
    """Address of a proxy before a server."""
    host = urlsplit(server).netloc
    requests, bodies = count(1), count(1)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = 'HTTP/1.1'

        def _pass_on(self):
            body = self.rfile.read(int(self.headers.get('Content-Length') or 0))
            faults.requests.append((self.command, self.path))
            faults.wait()
            meant = faults.only in unquote(self.path) and faults.method in ('', self.command)
            number = next(requests) if meant else 1
            if meant and faults.drop_every and number % faults.drop_every == 0:
                self.close_connection = True
                return
            if meant and faults.fail_every and number % faults.fail_every == 0:
                self._answer(503, [], b'')
                return
            connection = http.client.HTTPConnection(host)
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            cut = bool(meant and content and self.command == 'GET' and faults.cut_every)
            cut = cut and next(bodies) % faults.cut_every == 0
            self._answer(answer.status, answer.getheaders(), content, cut)

        def _answer(self, status, headers, content, cut=False):
            sent = content[: len(content) // 2] if cut else content
            length = len(sent) if faults.lie else len(content)
            self.send_response(status)
            for name, value in headers:
                if faults.lie and name.lower().startswith('x-amz-checksum'):
                    continue
                if name.lower() not in ('transfer-encoding', 'connection', 'date', 'server'):
                    if name.lower() == 'content-length' and self.command != 'HEAD':
                        continue
                    self.send_header(name, value)
            if self.command != 'HEAD':
                self.send_header('Content-Length', str(length))
            self.end_headers()
            self.wfile.write(sent)
            if cut and not faults.lie:
                self.close_connection = True

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on  # noqa: N815

        def log_message(self, *_):
            pass

    proxy = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    proxy.daemon_threads = True
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        yield f'http://127.0.0.1:{proxy.server_address[1]}'
    finally:
        proxy.shutdown()
        proxy.server_close()
