"""What ``tools/visualize.py`` does: choose frames of a source and send them to pictures, films or pages."""

import re
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
from rich.console import Console
from rich.progress import track

from project.formats import FORMATS
from project.visualization.files import write_gif, write_mp4, write_png
from project.visualization.frame import Frame
from project.visualization.picture import frame_picture

PICTURE_WIDTH_PX = 1920
GIF_WIDTH_PX = 1280
DEFAULT_ADDRESS = '127.0.0.1:8080'


class Source(Protocol):
    """Where frames come from.

    Attributes:
        scenes: tokens of the frames of each scene, in order of time where that is known.
    """

    scenes: dict[str, list[str]]

    def frame(self, scene: str, index: int) -> Frame:
        """A frame of a scene, by its place there."""


def show(arguments: Namespace) -> None:
    """Run the command.

    Raises:
        ValueError, FileNotFoundError: of a wrong argument or a bad file; the message says which and what to do.
        ImportError: of an optional package that the wanted kind of file needs.
    """
    source = open_source(arguments)
    writers = {'png': _write_pngs, 'gif': _write_gif, 'mp4': _write_mp4, 'html': _write_page}
    wanted = [name for name in writers if getattr(arguments, name)]
    for name in wanted:
        writers[name](arguments, source)
        print(f'wrote {getattr(arguments, name)}')
    if arguments.serve or not wanted:
        from project.visualization.server import serve

        scene, indices = choose(source.scenes, arguments.scene, arguments.frames or 'all')
        serve(source, scene, indices, arguments.serve or DEFAULT_ADDRESS)


def open_source(arguments: Namespace) -> Source:
    """The source that the arguments name.

    Raises:
        ValueError: there is no such thing, or it cannot be shown.
    """
    path = Path(arguments.source)
    if not path.exists():
        raise ValueError(f'{path}: no such folder or config')
    if arguments.format is not None and arguments.format not in FORMATS:
        raise ValueError(f'--format {arguments.format}: the formats are {", ".join(FORMATS)}')
    dataroot = None
    if arguments.dataroot:
        from project.visualization.dataroot import Dataroot

        dataroot = Dataroot(arguments.dataroot, arguments.version)
    if path.is_dir():
        from project.visualization.sources import FolderSource

        return FolderSource(path, arguments.truth, dataroot, arguments.format)
    if arguments.checkpoint is None:
        raise ValueError(f'{path}: a config needs a checkpoint after it')
    from project.visualization.predict import ModelSource

    return ModelSource(path, arguments.checkpoint, dataroot, arguments.cfg_options)


def choose(scenes: dict[str, list[str]], scene: str | None, which: str) -> tuple[str, list[int]]:
    """Frames of one scene.

    Args:
        scenes: tokens of each scene.
        scene: its name; by default that of the first token chosen, else the first scene.
        which: ``5``, ``0:10``, ``0:40:4``, ``all``, or tokens separated by commas.

    Returns:
        Name of the scene, and the places of the frames in it.

    Raises:
        ValueError: there is no such scene or frame.
    """
    numbers = re.fullmatch(r'all|-?\d+|(-?\d*):(-?\d*)(:\d*)?', which)
    if scene is None:
        first = which.split(',')[0]
        scene = next((name for name, tokens in scenes.items() if first in tokens), next(iter(scenes)))
    if scene not in scenes:
        names = list(scenes)
        raise ValueError(
            f'no scene {scene}; there are {len(names)}: {", ".join(names[:8])}{", ..." * (len(names) > 8)}'
        )
    tokens = scenes[scene]
    places = range(len(tokens))
    if numbers is None:
        missing = [token for token in which.split(',') if token not in tokens]
        if missing:
            raise ValueError(f'--frames: {missing[0]} is neither 5, 0:10, 0:40:4, all, nor a token in {scene}')
        return scene, [tokens.index(token) for token in which.split(',')]
    if which == 'all':
        chosen = places
    elif ':' in which:
        chosen = places[slice(*(int(part) if part else None for part in which.split(':')))]
    else:
        chosen = [int(which) % len(tokens)] if -len(tokens) <= int(which) < len(tokens) else []
    if not chosen:
        raise ValueError(f'--frames {which}: {scene} has the frames 0-{len(tokens) - 1}')
    return scene, list(chosen)


def _write_pngs(arguments: Namespace, source: Source) -> None:
    path = Path(arguments.png)
    scene, indices = choose(source.scenes, arguments.scene, arguments.frames or '0')
    if path.suffix == '.png' and len(indices) > 1:
        raise ValueError(f'--png {path}: {len(indices)} frames need a folder, not one file')
    for index, picture in zip(indices, _pictures(arguments, source, scene, indices, PICTURE_WIDTH_PX), strict=True):
        write_png(path if path.suffix == '.png' else path / f'{scene}_{index:03d}.png', picture)


def _write_gif(arguments: Namespace, source: Source) -> None:
    scene, indices = choose(source.scenes, arguments.scene, arguments.frames or 'all')
    write_gif(arguments.gif, _pictures(arguments, source, scene, indices, GIF_WIDTH_PX), arguments.fps)


def _write_mp4(arguments: Namespace, source: Source) -> None:
    scene, indices = choose(source.scenes, arguments.scene, arguments.frames or 'all')
    write_mp4(arguments.mp4, _pictures(arguments, source, scene, indices, PICTURE_WIDTH_PX), arguments.fps)


def _write_page(arguments: Namespace, source: Source) -> None:
    from project.visualization.page import write_page

    scene, indices = choose(source.scenes, arguments.scene, arguments.frames or '0')
    write_page(arguments.html, _frames(source, scene, indices))


def _pictures(
    arguments: Namespace, source: Source, scene: str, indices: list[int], width_px: int
) -> Iterator[np.ndarray]:
    for frame in _frames(source, scene, indices):
        yield frame_picture(frame, arguments.mask, arguments.width or width_px)


def _frames(source: Source, scene: str, indices: list[int]) -> Iterator[Frame]:
    console = Console(stderr=True)
    for index in track(indices, scene, console=console, transient=True, disable=not console.is_terminal):
        yield source.frame(scene, index)
