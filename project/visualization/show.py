"""What ``tools/visualize.py`` does: choose frames of a source and send them to pictures, films or pages."""

import re
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.progress import track

from project.formats import FORMATS
from project.visualization.files import write_gif, write_mp4, write_png
from project.visualization.frame import Frame
from project.visualization.picture import frame_picture

PICTURE_WIDTH_PX = 1920
GIF_WIDTH_PX = 1280


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
    wanted = [name for name in ('png', 'gif', 'mp4', 'html', 'serve') if getattr(arguments, name)]
    if arguments.png:
        _write_pngs(arguments, source)
    for name, write, width_px in (('gif', write_gif, GIF_WIDTH_PX), ('mp4', write_mp4, PICTURE_WIDTH_PX)):
        if path := getattr(arguments, name):
            scene, indices = choose(source.scenes, arguments.scene, arguments.frames or 'all')
            frames = _progress(source, scene, indices, path)
            pictures = (frame_picture(frame, arguments.mask, arguments.width or width_px) for frame in frames)
            write(path, pictures, arguments.fps)
    if arguments.html:
        from project.visualization.page import write_page

        scene, indices = choose(source.scenes, arguments.scene, arguments.frames or '0')
        write_page(arguments.html, _progress(source, scene, indices, arguments.html))
    for name in ('png', 'gif', 'mp4', 'html'):
        if name in wanted:
            print(f'wrote {getattr(arguments, name)}')
    if arguments.serve or not wanted:
        from project.visualization.server import serve

        scene, indices = choose(source.scenes, arguments.scene, arguments.frames or 'all')
        serve(source, scene, indices, arguments.serve or '127.0.0.1:8080')


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
    for index, frame in zip(indices, _progress(source, scene, indices, str(path)), strict=True):
        file = path if path.suffix == '.png' else path / f'{scene}_{index:03d}.png'
        write_png(file, frame_picture(frame, arguments.mask, arguments.width or PICTURE_WIDTH_PX))


def _progress(source: Source, scene: str, indices: list[int], title: str) -> Iterator[Frame]:
    console = Console(stderr=True)
    for index in track(indices, description=title, console=console, transient=True, disable=not console.is_terminal):
        yield source.frame(scene, index)
