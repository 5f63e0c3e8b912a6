"""Implements ``tools/visualize.py``: chooses frames of a source and writes pictures, videos or pages."""

import re
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from project.formats import FORMATS
from project.sources.naming import folder_name
from project.storage.mounts import cache_choice, is_url, listed, mounted
from project.targets import check_target
from project.visualization.frame import Frame
from project.visualization.render.files import write_gif, write_mp4, write_png
from project.visualization.render.picture import frame_picture
from project.visualization.sources.frame_source import FrameSource

PICTURE_WIDTH_PX = 1920
GIF_WIDTH_PX = 1280
MIN_WIDTH_PX, MAX_WIDTH_PX = 400, 8192
MAX_FPS = 50
"""Browsers play faster animations slowly."""
DEFAULT_ADDRESS = '127.0.0.1:8080'
_NAMES = {'checkpoint': 'CHECKPOINT', 'cfg_options': '--cfg-options'}


def show(arguments: Namespace) -> None:
    """Run the command.

    Raises:
        ValueError, FileNotFoundError: of a wrong argument or a bad file; the message says which and what to do.
        ImportError: of an optional package that the wanted kind of file needs.
    """
    _mount(arguments)
    check(arguments)
    source = open_source(arguments)
    writers: dict[str, Callable[[Namespace, FrameSource], None]] = {
        'png': _write_pngs, 'gif': _write_gif, 'mp4': _write_mp4, 'html': _write_page, 'mcap': _write_mcap,
        'rrd': _write_rrd, 'glb': partial(_write_mesh, 'glb'), 'ply': partial(_write_mesh, 'ply'),
    }  # fmt: skip
    wanted = [name for name in writers if getattr(arguments, name)]
    for name in wanted:
        writers[name](arguments, source)
        print(f'wrote {getattr(arguments, name)}')
    if arguments.serve or not wanted:
        from project.visualization.web.server import serve

        scene, indices = choose(source.scenes, arguments.scene, arguments.frames or 'all')
        serve(source, scene, indices, arguments.serve or DEFAULT_ADDRESS)


def _mount(arguments: Namespace) -> None:
    """Put local folders in the place of URLs; those of labels and predictions have all files by name."""
    cache = cache_choice(arguments)
    for name in ('source', 'truth', 'dataroot'):
        place = getattr(arguments, name)
        if place and is_url(place):
            folder = mounted(place, cache)
            setattr(arguments, name, str(folder if name == 'dataroot' else listed(folder)))


def check(arguments: Namespace) -> None:
    """Find what is wrong with the arguments before anything is read or written.

    Raises:
        ValueError: an argument is impossible, or has no effect together with the others.
    """
    path = Path(arguments.source)
    if not path.exists():
        raise ValueError(f'{path}: no such folder or config')
    if arguments.format is not None and arguments.format not in FORMATS:
        raise ValueError(f'--format {arguments.format}: the formats are {", ".join(FORMATS)}')
    if not path.is_dir() and arguments.checkpoint is None:
        raise ValueError(f'{path}: a config needs a checkpoint after it')
    without_use = ('checkpoint', 'cfg_options') if path.is_dir() else ('truth', 'format', 'version')
    for name in without_use:
        if getattr(arguments, name):
            kind = 'folder' if path.is_dir() else 'config'
            raise ValueError(f'{_NAMES.get(name, f"--{name}")} has no use after {path}, which is a {kind}')
    if arguments.version and not arguments.dataroot:
        raise ValueError(f'--version {arguments.version}: has no use without --dataroot')
    for name in ('truth', 'dataroot'):
        folder = getattr(arguments, name)
        if folder and not Path(folder).is_dir():
            raise ValueError(f'--{name} {folder}: no such folder')
    _check_pictures(arguments)


def _check_pictures(arguments: Namespace) -> None:
    for name in ('gif', 'mp4', 'html', 'mcap', 'rrd', 'glb', 'ply'):
        file = getattr(arguments, name)
        if file and Path(file).suffix != f'.{name}':
            raise ValueError(f'--{name} {file}: the name must end in .{name}')
        if file:
            check_target(file)
    if arguments.png and Path(arguments.png).suffix not in ('', '.png') and not Path(arguments.png).is_dir():
        raise ValueError(f'--png {arguments.png}: the name must end in .png, or be that of a folder, without a dot')
    if arguments.png:
        check_target(arguments.png, folder=not arguments.png.endswith('.png'))
    if arguments.mask and not any(getattr(arguments, name) for name in ('png', 'gif', 'mp4', 'glb', 'ply')):
        raise ValueError('--mask is for --png, --gif, --mp4, --glb and --ply; the page has a switch for it')
    if arguments.schemas and not arguments.mcap:
        raise ValueError('--schemas has no use without --mcap')
    if arguments.width is not None and not MIN_WIDTH_PX <= arguments.width <= MAX_WIDTH_PX:
        raise ValueError(f'--width {arguments.width}: give {MIN_WIDTH_PX} to {MAX_WIDTH_PX} pixels')
    if not 0 < arguments.fps <= MAX_FPS:
        raise ValueError(f'--fps {arguments.fps:g}: give more than 0 and at most {MAX_FPS} frames a second')


def open_source(arguments: Namespace) -> FrameSource:
    """The source that the arguments name.

    Raises:
        ValueError, FileNotFoundError: it cannot be shown.
    """
    path = Path(arguments.source)
    if path.is_dir():
        from project.visualization.sources.label_folders import FolderFrames

        return FolderFrames(path, arguments.truth, arguments.dataroot, arguments.version, arguments.format)
    from project.visualization.sources.model import ModelSource

    return ModelSource(path, arguments.checkpoint, arguments.dataroot, arguments.cfg_options)


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
    if scene not in scenes and scene.strip('/. ') and folder_name(scene, scene) in scenes:
        scene = folder_name(scene, scene)
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
    chosen: Sequence[int]
    if which == 'all':
        chosen = places
    elif re.fullmatch(r'.*:.*:0+', which):
        raise ValueError(f'--frames {which}: the step must be at least 1')
    elif ':' in which:
        chosen = places[slice(*(int(part) if part else None for part in which.split(':')))]
    else:
        chosen = [int(which) % len(tokens)] if -len(tokens) <= int(which) < len(tokens) else []
    if not chosen:
        raise ValueError(f'--frames {which}: {scene} has the frames 0-{len(tokens) - 1}')
    return scene, list(chosen)


def _write_pngs(arguments: Namespace, source: FrameSource) -> None:
    path = Path(arguments.png)
    scene, indices = choose(source.scenes, arguments.scene, arguments.frames or '0')
    if path.suffix == '.png' and len(indices) > 1:
        raise ValueError(f'--png {path}: {len(indices)} frames need a folder, not one file')
    for index, picture in zip(indices, _pictures(arguments, source, scene, indices, PICTURE_WIDTH_PX), strict=True):
        write_png(path if path.suffix == '.png' else path / f'{scene}_{index:03d}.png', picture)


def _write_gif(arguments: Namespace, source: FrameSource) -> None:
    scene, indices = choose(source.scenes, arguments.scene, arguments.frames or 'all')
    pictures = _pictures(arguments, source, scene, indices, GIF_WIDTH_PX)
    write_gif(arguments.gif, pictures, arguments.fps, source.labels.colours)


def _write_mp4(arguments: Namespace, source: FrameSource) -> None:
    scene, indices = choose(source.scenes, arguments.scene, arguments.frames or 'all')
    write_mp4(arguments.mp4, _pictures(arguments, source, scene, indices, PICTURE_WIDTH_PX), arguments.fps)


def _write_page(arguments: Namespace, source: FrameSource) -> None:
    from project.visualization.web.page import write_page

    scene, indices = choose(source.scenes, arguments.scene, arguments.frames or '0')
    write_page(arguments.html, _frames(source, scene, indices))


def _write_mcap(arguments: Namespace, source: FrameSource) -> None:
    from project.visualization.exports.mcap_file import write_mcap
    from project.visualization.exports.ros2_file import write_ros2_mcap

    write = write_ros2_mcap if arguments.schemas == 'ros2' else write_mcap
    write(arguments.mcap, _frames(source, *choose(source.scenes, arguments.scene, arguments.frames or 'all')))


def _write_rrd(arguments: Namespace, source: FrameSource) -> None:
    from project.visualization.exports.rerun_file import write_rrd

    write_rrd(arguments.rrd, _frames(source, *choose(source.scenes, arguments.scene, arguments.frames or 'all')))


def _write_mesh(kind: str, arguments: Namespace, source: FrameSource) -> None:
    from project.visualization.exports.mesh_file import write_mesh

    path = getattr(arguments, kind)
    scene, indices = choose(source.scenes, arguments.scene, arguments.frames or '0')
    if len(indices) > 1:
        raise ValueError(f'--{kind} {path}: a mesh is of one frame, and --frames names {len(indices)}')
    write_mesh(path, source.frame(scene, indices[0]), arguments.mask)


def _pictures(
    arguments: Namespace, source: FrameSource, scene: str, indices: list[int], width_px: int
) -> Iterator[np.ndarray]:
    for frame in _frames(source, scene, indices):
        yield frame_picture(frame, arguments.mask, arguments.width or width_px)


def _frames(source: FrameSource, scene: str, indices: list[int]) -> Iterator[Frame]:
    console = Console(stderr=True)
    for index in track(indices, scene, console=console, transient=True, disable=not console.is_terminal):
        yield source.frame(scene, index)
