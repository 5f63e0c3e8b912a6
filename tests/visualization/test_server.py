"""The viewer's server: what it answers at once, what it makes, and whom it refuses."""

import http.client
import socket
import struct
import threading
import time
from dataclasses import replace
from queue import SimpleQueue
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import known_world
import pytest

from project.visualization.web import frames
from project.visualization.web.frames import FrameMaker
from project.visualization.web.server import ViewerServer


class Slow:
    """A source whose frames wait until a test lets them be made; says which were asked for."""

    def __init__(self, count: int):
        self.scenes = {'scene-0001': [str(number) for number in range(count)]}
        self.asked: SimpleQueue[int] = SimpleQueue()
        self.may_pass = threading.Semaphore(1)

    def frame(self, scene: str, index: int):
        """A frame, once it may pass."""
        self.asked.put(index)
        assert self.may_pass.acquire(timeout=60)
        return known_world.frame(index)


@pytest.fixture
def slow(monkeypatch):
    """A source of five slow frames and a running server of it; the first frame is made."""
    monkeypatch.setattr(frames, 'LOOK_AHEAD_SECONDS', 1000)
    source = Slow(5)
    with ViewerServer(source, 'scene-0001', [0, 1, 3, 4], ('127.0.0.1', 0)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert source.asked.get(timeout=60) == 0
        yield source, server
        source.may_pass.release(100)
        server.shutdown()


def answers(url: str) -> tuple[threading.Thread, list[int]]:
    """A thread that asks for an address, and the list of what it is told."""
    statuses: list[int] = []
    thread = threading.Thread(target=lambda: statuses.append(urlopen(url, timeout=60).status), daemon=True)
    thread.start()
    return thread, statuses


def test_what_is_ready_is_served_while_another_frame_is_predicted(slow):
    source, server = slow
    waiting, statuses = answers(f'{server.url}frames/scene-0001/3')
    assert source.asked.get(timeout=60) == 3
    for ready in ('', 'frames/scene-0001/0', 'images/scene-0001/0/CAM_FRONT'):
        assert urlopen(server.url + ready, timeout=20).status == 200
    assert statuses == []
    source.may_pass.release()
    waiting.join(60)
    assert statuses == [200]


def test_two_requests_for_a_frame_make_it_once(slow):
    source, server = slow
    both = [answers(f'{server.url}{kind}') for kind in ('frames/scene-0001/1', 'images/scene-0001/1/CAM_FRONT')]
    assert source.asked.get(timeout=60) == 1
    source.may_pass.release(10)
    for thread, statuses in both:
        thread.join(60)
        assert statuses == [200]
    assert source.asked.empty()


def test_the_frame_asked_for_last_is_made_first():
    source = Slow(4)
    source.may_pass = threading.Semaphore(0)
    maker = FrameMaker(source, {'scene-0001': range(4)})
    threads = []
    for index in (0, 1, 3):
        threads.append(threading.Thread(target=maker.frame, args=('scene-0001', index), daemon=True))
        threads[-1].start()
        if index == 0:
            assert source.asked.get(timeout=60) == 0
        else:
            wait_until(lambda index=index: maker._wanted.qsize() == (1 if index == 1 else 2))
    source.may_pass.release(10)
    for thread in threads:
        thread.join(60)
    assert [source.asked.get(), source.asked.get()] == [3, 1]


def wait_until(condition) -> None:
    """Wait for what another thread does."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_the_frame_after_the_one_asked_for_is_made_ready(monkeypatch):
    monkeypatch.setattr(frames, 'LOOK_AHEAD_SECONDS', 0)
    source = Slow(4)
    source.may_pass.release(10)
    maker = FrameMaker(source, {'scene-0001': [0, 3]})
    maker.frame('scene-0001', 0)
    assert [source.asked.get(timeout=60) for _ in range(2)] == [0, 3]
    maker.frame('scene-0001', 3)
    assert source.asked.empty()


def test_a_frame_that_failed_is_tried_anew():
    class Mended(Slow):
        def frame(self, scene: str, index: int):
            self.asked.put(index)
            if self.asked.qsize() == 1:
                raise ValueError('one.npz: not a label file')
            return known_world.frame(index)

    maker = FrameMaker(Mended(1), {'scene-0001': [0]})
    with pytest.raises(ValueError, match='not a label file'):
        maker.frame('scene-0001', 0)
    assert maker.frame('scene-0001', 0).frame.index == 0


@pytest.mark.parametrize(
    'path, status',
    [
        ('nothing', 404),
        ('frames/scene-9999/0', 404),
        ('frames/scene-0001/-1', 404),
        ('frames/scene-0001/2', 404),
        ('images/scene-0001/0/CAM_NONE', 404),
        ('frames/scene-0001/1', 500),
        ('../../etc/passwd', 404),
        ('%2e%2e/%2e%2e/etc/passwd', 404),
        ('images/scene-0001/0/..%2f..%2f..%2fetc%2fpasswd', 404),
        ('/etc/passwd', 404),
        ('static/main.js', 404),
    ],
)
def test_the_server_refuses_what_it_does_not_have(server, path, status):
    connection = http.client.HTTPConnection(*server.server_address, timeout=20)
    connection.request('GET', f'/{path}')
    assert connection.getresponse().status == status
    connection.close()


def test_frames_that_were_not_chosen_are_not_served(slow):
    _, server = slow
    with pytest.raises(HTTPError, match='404'):
        urlopen(f'{server.url}frames/scene-0001/2')


def test_a_camera_whose_file_is_no_image_is_not_served(tmp_path):
    (tmp_path / 'secret.jpg').write_text('password')
    first = known_world.frame(0)
    source = Slow(1)
    with ViewerServer(source, 'scene-0001', [0], ('127.0.0.1', 0)) as server:
        cameras = server.frames.frame('scene-0001', 0).cameras
        cameras['CAM_FRONT'] = replace(first.cameras[0], image=tmp_path / 'secret.jpg')
        with pytest.raises(ValueError, match=r'secret\.jpg: not a readable image'):
            server.content('/images/scene-0001/0/CAM_FRONT')


@pytest.mark.parametrize(
    'host', ['evil.example', 'evil.example:{port}', '127.0.0.1.evil.example', 'a@evil.example', '', '[x']
)
def test_a_host_that_is_not_this_machine_is_refused(server, host):
    headers = {'Host': host.format(port=server.server_port)}
    with pytest.raises(HTTPError, match='403') as refused:
        urlopen(Request(server.url + 'frames/scene-0001/0', headers=headers))
    assert b'does not go by the name' in refused.value.read()


@pytest.mark.parametrize('host', ['localhost:1234', '127.0.0.1', '[::1]:80', '192.168.3.4:8080', socket.gethostname()])
def test_addresses_and_names_of_the_machine_are_served(server, host):
    assert urlopen(Request(server.url + 'frames/scene-0001/0', headers={'Host': host})).status == 200


@pytest.mark.parametrize('origin', ['http://evil.example', 'http://127.0.0.1:1', 'null', 'https://localhost'])
def test_pages_of_other_sites_are_refused(server, origin):
    with pytest.raises(HTTPError, match='403') as refused:
        urlopen(Request(server.url + 'frames/scene-0001/0', headers={'Origin': origin}))
    assert b'another site' in refused.value.read()


def test_its_own_page_is_served_and_others_cannot_embed_it(server):
    own = {'Origin': server.url.rstrip('/')}
    answer = urlopen(Request(server.url + 'frames/scene-0001/0', headers=own))
    assert answer.status == 200
    assert answer.headers['Cross-Origin-Resource-Policy'] == 'same-origin'
    assert answer.headers['Access-Control-Allow-Origin'] is None


def test_a_browser_that_goes_away_is_no_error(server, capfd):
    for _ in range(5):
        with socket.create_connection(server.server_address) as connection:
            # Closed so, the server's next words meet a reset.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            connection.sendall(b'GET / HTTP/1.0\r\nHost: localhost\r\n\r\n')
            time.sleep(0.05)
    assert urlopen(server.url).status == 200
    assert capfd.readouterr().err == ''
