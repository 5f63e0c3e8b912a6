"""A headless Chromium with software WebGL, as on a machine without a graphics card."""

import shutil
import threading
from collections.abc import Callable, Iterator

import known_world
import pytest

from project.visualization.web.server import ViewerServer

CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
FLAGS = (
    '--no-sandbox', '--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--disable-quic',
    '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
)  # fmt: skip


@pytest.fixture(scope='session')
def chromium() -> Iterator:
    """The browser; tests that need it skip where it or its driver is missing."""
    driver = pytest.importorskip('playwright.sync_api', reason='needs playwright: pip install playwright')
    if CHROMIUM is None:
        pytest.skip('needs Chromium: apt-get install chromium')
    with driver.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium) -> Iterator[Callable]:
    """Opens an address and waits for its first frame; fails on any console error and any request to the network."""
    complaints, contexts = [], []

    def open_(url: str, offline: bool = True):
        context = chromium.new_context(viewport={'width': 800, 'height': 500}, color_scheme='light')
        contexts.append(context)
        context.set_offline(offline)
        context.set_default_timeout(20_000)
        page = context.new_page()
        page.on('console', lambda message: complaints.append(message.text) if message.type == 'error' else None)
        page.on('pageerror', lambda error: complaints.append(str(error)))
        page.on('requestfailed', lambda request: complaints.append(f'failed: {request.url[:80]}'))
        page.goto(url)
        page.wait_for_function('document.body.dataset.shown')
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


class Frames:
    """A source of two frames, one of which cannot be read."""

    def __init__(self):
        self.scenes = {'scene-0001': ['0' * 32, '1' * 32]}

    def frame(self, scene: str, index: int):
        """The first frame; of the second an error."""
        if self.scenes[scene][index] == '1' * 32:
            raise ValueError('one.npz: not a label file')
        return known_world.frame(0)


@pytest.fixture
def server() -> Iterator[ViewerServer]:
    """A server of those two frames."""
    with ViewerServer(Frames(), 'scene-0001', [0, 1], ('127.0.0.1', 0)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
