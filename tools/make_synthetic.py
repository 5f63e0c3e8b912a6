#!/usr/bin/env python
"""Make a world whose ground truth is known exactly, in nuScenes format or as a folder of recordings."""

import argparse
import shutil
import sys
import tempfile
from dataclasses import fields, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import project.commands  # noqa: F401, ends here where a package is missing
from project.cli import run, whole_number
from project.synthetic.rig import RIGS
from project.synthetic.world import make_world, move_world
from project.synthetic.world_settings import LAYOUTS, SETTINGS_FILE, Difficulties, WorldSettings

EXAMPLES = """\
examples:
  two scenes of 20 keyframes, one for training and one for validation:
    python tools/make_synthetic.py --out project/data/synthetic --workers 2

  a tiny world for a first try, in seconds:
    python tools/make_synthetic.py --out /tmp/tiny --keyframes 3 --image-size 160x90

  as hard as it gets, with images of nuScenes' size:
    python tools/make_synthetic.py --out project/data/hard --all-difficulties --image-size 1600x900 --workers 2

  without anything that makes labelling hard but the beams that never return:
    python tools/make_synthetic.py --out /tmp/easy --no-difficulties --missing-returns

  another car, as a folder of recordings (docs/own_data.md): four cameras of two sizes, two lidars of 10 Hz:
    python tools/make_synthetic.py --out /tmp/other --rig two-lidars --layout folder --keyframes 6 --image-size 320x180

The folder loads with nuscenes-devkit 1.2.0, lidarseg included. There are no camera sweeps, no radar and no map
expansion; ego poses, tracks and lidarseg are as in nuScenes. project.synthetic.truth has the exact labels.
"""


def main() -> int:
    """Parse the arguments, make the world, and say where it is."""
    arguments = _parser().parse_args()
    try:
        settings = WorldSettings(
            seed=arguments.seed,
            scenes=arguments.scenes,
            keyframes=arguments.keyframes,
            image_size=arguments.image_size,
            images=arguments.images,
            difficulties=_difficulties(arguments),
            followers=arguments.followers,
            people=arguments.people,
            scene_names=tuple(arguments.scene_names),
            version=arguments.version,
            rig=arguments.rig,
            layout=arguments.layout,
        )
        _check_free(arguments.out, settings, arguments.overwrite)
        _make(arguments.out, settings, arguments.workers)
    except (ValueError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    beside = {path.name for path in arguments.out.iterdir()} - {*settings.parts, SETTINGS_FILE}
    if beside:
        print(f'kept from before: {", ".join(sorted(beside))}')
    names = ', '.join(settings.names)
    print(f'{arguments.out}: {settings.scenes} scenes of {settings.keyframes} keyframes ({names})')
    return 0


def _make(root: Path, settings: WorldSettings, workers: int) -> None:
    """Make a world aside and move it into place, so that one that was broken off is not taken for a whole one."""
    # Not before project.cli, which says where packages are missing.
    from rich.progress import MofNCompleteColumn, Progress

    root.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix='.making-', dir=root))
    try:
        with Progress(*Progress.get_default_columns(), MofNCompleteColumn()) as bar:
            task = bar.add_task('keyframes', total=settings.scenes * settings.keyframes)
            make_world(aside, settings, workers, lambda done, total: bar.update(task, completed=done))
        move_world(aside, root)
    finally:
        shutil.rmtree(aside)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    defaults = WorldSettings()
    parser.add_argument('--out', type=Path, required=True, help='folder to make')
    parser.add_argument(
        '--scenes', type=whole_number(1), default=defaults.scenes, help='number of scenes (default %(default)s)'
    )
    parser.add_argument(
        '--keyframes',
        type=whole_number(1),
        default=defaults.keyframes,
        help='keyframes a scene, two a second (default %(default)s)',
    )
    parser.add_argument(
        '--image-size',
        type=_size,
        default=defaults.image_size,
        metavar='WxH',
        help='pixels of the cameras (default 800x450)',
    )
    parser.add_argument('--no-images', dest='images', action='store_false', help='write no camera images')
    parser.add_argument(
        '--seed', type=whole_number(0), default=defaults.seed, help='another seed, another world (default %(default)s)'
    )
    parser.add_argument(
        '--workers',
        type=whole_number(1),
        default=1,
        help='processes (default %(default)s); the result is the same with any number',
    )
    parser.add_argument(
        '--version', default=defaults.version, help='name of the folder of tables (default %(default)s)'
    )
    parser.add_argument(
        '--rig',
        choices=tuple(RIGS),
        default=defaults.rig,
        help='sensors: those of nuScenes, or four cameras of two sizes and two lidars of 10 Hz (default %(default)s)',
    )
    parser.add_argument(
        '--layout',
        choices=LAYOUTS,
        default=defaults.layout,
        help='tables of nuScenes, or a scene.json per scene and points that are not deskewed (default %(default)s)',
    )
    parser.add_argument(
        '--scene-names',
        nargs='+',
        default=(),
        metavar='NAME',
        help='one a scene; default: those of the mini splits, train and val',
    )
    parser.add_argument(
        '--overwrite',
        action='store_true',
        help='replace a world that is there already; labels and other things beside it stay',
    )
    parser.add_argument(
        '--followers',
        type=whole_number(0),
        default=defaults.followers,
        metavar='N',
        help='road users without boxes that follow the ego car: a cyclist, a van, a car (default %(default)s)',
    )
    parser.add_argument(
        '--people',
        type=whole_number(0),
        default=defaults.people,
        metavar='N',
        help="N more people on each sidewalk close to the ego car's path (default %(default)s)",
    )
    group = parser.add_argument_group('what makes labelling hard')
    everything = group.add_mutually_exclusive_group()
    everything.add_argument(
        '--all-difficulties', dest='everything', action='store_true', default=None, help='all of those below'
    )
    everything.add_argument('--no-difficulties', dest='everything', action='store_false', help='none but those named')
    sentences = Difficulties.sentences()
    for difficulty in fields(Difficulties):
        group.add_argument(
            f'--{difficulty.name.replace("_", "-")}',
            dest=difficulty.name,
            action=argparse.BooleanOptionalAction,
            default=None,
            help=f'{sentences[difficulty.name]} (default: {"on" if difficulty.default else "off"})',
        )
    return parser


def _size(text: str) -> tuple[int, int]:
    try:
        width, height = map(int, text.lower().split('x'))
    except ValueError:
        raise argparse.ArgumentTypeError(f'"{text}" is no size; write it like 800x450') from None
    return width, height


def _difficulties(arguments: argparse.Namespace) -> Difficulties:
    start = Difficulties() if arguments.everything is None else Difficulties.all(arguments.everything)
    named = {each.name: getattr(arguments, each.name) for each in fields(Difficulties)}
    return replace(start, **{name: on for name, on in named.items() if on is not None})


def _check_free(root: Path, settings: WorldSettings, overwrite: bool) -> None:
    """Make sure that nothing is in the way but, with `overwrite`, a world that this program made."""
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return
    if not overwrite:
        raise FileExistsError(f'{root} is not empty; choose another folder or add --overwrite')
    if not (root / SETTINGS_FILE).is_file():
        raise FileExistsError(f'{root} holds no synthetic world; --overwrite does not remove other files')
    for part in set(settings.parts) - set(WorldSettings.load(root).parts):
        if (root / part).exists():
            raise FileExistsError(f'{root / part} is not part of the world; --overwrite does not remove other files')


if __name__ == '__main__':
    sys.exit(run(main))
