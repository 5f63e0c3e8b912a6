"""The viewer's page: how long until voxels are drawn, in headless Chromium that draws by software."""

import argparse
import shutil
import statistics
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from project.cli import usable_cores
from project.formats import occ3d, voxels
from project.grid import VoxelGrid
from project.labels.aggregation.aggregate import aggregate
from project.labels.voxelization.voting import vote_keyframe
from project.sources.nuscenes.source import NuScenesSource
from project.synthetic import WorldSettings, make_world
from project.visualization.frame import Frame
from project.visualization.web.server import ViewerServer

GRIDS = {'200x200x16, 0.4 m': occ3d.GRID, '512x512x40, 0.2 m': voxels.GRID}
FLAGS = ('--no-sandbox', '--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader')
VIEWPORT = {'width': 1600, 'height': 900}

STOPWATCH = """
  window.drawn = [];
  const ask = () => { window.asked = performance.now(); };
  for (const name of ['keydown', 'input']) window.addEventListener(name, ask, true);
  new MutationObserver(() => {
    if (!document.body?.dataset.shown) return;
    const gl = document.getElementById('canvas').getContext('webgl2');
    // Reading a pixel waits until all is drawn.
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
    window.drawn.push(performance.now() - (window.asked ?? 0));
  }).observe(document, { attributes: true, subtree: true, attributeFilter: ['data-shown'] });
"""
"""Notes the milliseconds from opening the page, or from the last key or move of the slider, to the end of drawing."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Command line of this benchmark."""
    parser.add_argument('--repeats', type=int, default=5, metavar='N', help='browsers to start (%(default)s)')
    parser.add_argument('--keyframes', type=int, default=9, metavar='N', help='frames of the clip (%(default)s)')


def run(arguments: argparse.Namespace) -> dict:
    """Print and return milliseconds, median and maximum.

    Raises:
        SystemExit: Chromium, or playwright, which drives it, is missing.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise SystemExit('needs playwright: pip install playwright') from error
    chromium = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
    if chromium is None:
        raise SystemExit('needs Chromium: apt-get install chromium')
    console, figures = Console(), {}
    clips = _make_clips(arguments.keyframes)
    with sync_playwright() as playwright:
        for name, frames in clips.items():
            times = {}
            for _ in track(range(arguments.repeats), name, console=console):
                browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
                with _served(frames) as url:
                    for title, milliseconds in _open_twice(browser, url, len(frames)).items():
                        times.setdefault(title, []).extend(milliseconds)
                browser.close()
            figures[name] = {
                title: {'median': statistics.median(values), 'maximum': max(values)} for title, values in times.items()
            }
    _print_table(console, figures)
    return figures


def _make_clips(keyframes: int) -> dict[str, list[Frame]]:
    """The scene of a synthetic world on each grid: labels, and as a prediction the same labels moved by a voxel."""
    clips = {name: [] for name in GRIDS}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / 'world'
        make_world(root, WorldSettings(keyframes=keyframes, scenes=1, images=False), usable_cores())
        (scene,) = NuScenesSource(root).scenes
        world = aggregate(scene)
    for k in range(keyframes):
        for name, grid in GRIDS.items():
            labels = vote_keyframe(scene, world, k, 10, grid).dense()
            clips[name].append(_frame(k, grid, labels))
    return clips


def _frame(index: int, grid: VoxelGrid, labels: np.ndarray) -> Frame:
    return Frame('made', index, f'{index:032x}', grid, truth=labels, prediction=np.roll(labels, 1, axis=0))


class _Clip:
    """A source of frames that are there already."""

    def __init__(self, frames: list[Frame]):
        self._frames = frames
        self.scenes = {'made': [frame.token for frame in frames]}

    def frame(self, scene: str, index: int) -> Frame:
        return self._frames[index]


@contextmanager
def _served(frames: list[Frame]) -> Iterator[str]:
    """Address of a server that has made ready none but the first of these frames."""
    server = ViewerServer(_Clip(frames), 'made', list(range(len(frames))), ('127.0.0.1', 0))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.url
    server.shutdown()
    server.server_close()


def _open_twice(browser, url: str, num_frames: int) -> dict[str, list[float]]:
    """Milliseconds of opening the page in a new browser and once more, of steps, and of jumps to unseen frames."""
    times = {'first frame, new browser': [], 'first frame, once more': [], 'next frame': [], 'any frame': []}
    for title in list(times)[:2]:
        page = browser.new_page(viewport=VIEWPORT)
        page.add_init_script(STOPWATCH)
        page.wait_for_timeout(1000)
        page.goto(url, wait_until='commit')
        times[title].append(_wait(page, 1))
        page.wait_for_timeout(1500)
    half = num_frames // 2
    for place in range(1, half + 1):
        page.keyboard.press('ArrowRight')
        times['next frame'].append(_wait(page, place + 1))
        page.wait_for_timeout(1500)
    for k, place in enumerate(reversed(range(half + 1, num_frames))):
        page.locator('#slider').fill(str(place))
        times['any frame'].append(_wait(page, half + 2 + k))
        page.wait_for_timeout(1500)
    return times


def _wait(page, count: int) -> float:
    """The last noted time, once there are `count` of them."""
    page.wait_for_function('(count) => window.drawn?.length === count', arg=count)
    return page.evaluate('window.drawn.at(-1)')


def _print_table(console: Console, figures: dict[str, dict[str, dict[str, float]]]) -> None:
    table = Table(title='milliseconds: median, maximum', title_style='')
    for column in ('', *next(iter(figures.values()))):
        table.add_column(column, justify='right' if column else 'left')
    for name, times in figures.items():
        table.add_row(name, *(f'{time["median"]:.0f}, {time["maximum"]:.0f}' for time in times.values()))
    console.print(table)
