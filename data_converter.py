"""nuScenes to dense semantic occupancy labels.

examples:
  python data_converter.py
      all scenes below ./project/data/nuscenes/, as sparse 0.2 m voxels, on all cores
  python data_converter.py --dataroot /data/nuscenes --save_path /data/labels --format voxels --format occ3d
      two formats in one pass
  python data_converter.py --format voxels --masks --flow
      with masks of what lidar and cameras see, and the velocity of every voxel
  python data_converter.py --refine-poses
      with layers of ground laid onto one another; needs small_gicp (pip install small_gicp)
  python data_converter.py --scenes scene-0061 scene-0103 --num_sweeps 5 --workers 2
      two scenes, with a shorter window
"""

import argparse
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from project.cli import usable_cores
from project.formats import FORMATS
from project.labels.convert import Outcome, convert, what_is_wrong
from project.labels.dataset import Dataset, make_dataset
from project.labels.index import write_infos
from project.labels.register import require_library
from project.labels.settings import Settings, prepare_folder
from project.labels.tables import find_version, read_tables
from project.taxonomy import LabelMapping


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Command line of this program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        '--dataroot', type=Path, default='./project/data/nuscenes/', help='root folder of nuScenes (%(default)s)'
    )
    parser.add_argument('--save_path', type=Path, help='root folder of the labels (occupancy/ below the dataroot)')
    parser.add_argument('--version', help='v1.0-trainval or v1.0-mini (the one that is there)')
    parser.add_argument(
        '--num_sweeps', type=_whole_number, default=10, metavar='N',
        help='gather lidar from N keyframes before to N after a keyframe, and the sweeps between (%(default)s)',
    )  # fmt: skip
    parser.add_argument(
        '--format',
        action='append',
        choices=list(FORMATS),
        dest='formats',
        help='format to write; may be repeated (voxels)',
    )
    parser.add_argument('--scenes', nargs='+', metavar='NAME', help='names of the scenes to convert (all)')
    parser.add_argument(
        '--workers', type=_positive_number, default=usable_cores(), metavar='N', help='processes (%(default)s)'
    )
    parser.add_argument('--overwrite', action='store_true', help='make labels again that exist already')
    parser.add_argument(
        '--masks',
        action=argparse.BooleanOptionalAction,
        help='which voxels lidar and cameras see, in occ3d and voxels (occ3d only)',
    )
    parser.add_argument(
        '--flow',
        action=argparse.BooleanOptionalAction,
        help='velocity of every voxel, in openocc, openoccupancy and voxels (openocc only)',
    )
    parser.add_argument(
        '--remove-ghosts',
        action=argparse.BooleanOptionalAction,
        default=True,
        help='remove what beams of lidar pass through (yes)',
    )
    parser.add_argument(
        '--refine-poses',
        action='store_true',
        help='correct the poses of the car by registering the sweeps of a scene; nuScenes gives them no height',
    )
    parser.add_argument(
        '--label_mapping',
        type=Path,
        metavar='YAML',
        help='"labels" and "learning_map" of another choice of classes (16 classes)',
    )
    options = parser.parse_args(arguments)
    options.save_path = options.save_path or options.dataroot / 'occupancy'
    return options


def main(arguments: list[str] | None = None) -> int:
    """Run the program; the exit code is 0 when every scene was labelled, 1 when some were not, 2 when none could be."""
    options = parse_arguments(arguments)
    console = Console()
    start = time.perf_counter()
    try:
        mapping = LabelMapping.from_yaml(options.label_mapping) if options.label_mapping else LabelMapping.default()
        formats = tuple(dict.fromkeys(options.formats or ['voxels']))
        settings = Settings(
            options.save_path, formats, options.num_sweeps, mapping, options.overwrite, options.masks, options.flow,
            options.refine_poses, options.remove_ghosts,
        )  # fmt: skip
        if settings.refine_poses:
            require_library()
        version = find_version(options.dataroot, options.version)
        prepare_folder(settings, version)
        with console.status(f'reading the tables of {version}'):
            tables = read_tables(options.dataroot, version, options.scenes)
            dataset = make_dataset(tables, options.dataroot)
        outcomes = _convert_with_progress(dataset, settings, options.workers, console)
        labelled = {outcome.scene_name for outcome in outcomes if outcome.error is None}
        records = {name: dataset.records[name] for name in dataset.records if name in labelled}
        counts = write_infos(options.save_path, options.dataroot, version, records)
    except (ImportError, OSError, ValueError) as error:
        Console(stderr=True).print(f'[red]error:[/] {escape(what_is_wrong(error))}', highlight=False, soft_wrap=True)
        return 2
    _print_summary(console, outcomes, counts, options.save_path, time.perf_counter() - start)
    return 1 if any(outcome.error for outcome in outcomes) else 0


def _convert_with_progress(dataset: Dataset, settings: Settings, workers: int, console: Console) -> list[Outcome]:
    columns = (
        TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), TextColumn('{task.fields[rate]}'),
        TimeRemainingColumn(),
    )  # fmt: skip
    start = time.perf_counter()
    with Progress(*columns, console=console) as progress:
        total = sum(len(scene.keyframes) for scene in dataset.scenes)
        task = progress.add_task('keyframes', total=total, rate='')

        def on_progress(done: int) -> None:
            rate = done / max(time.perf_counter() - start, 1e-9)
            progress.update(task, completed=done, rate=f'{rate:.1f} keyframes/s')

        outcomes = convert(dataset.scenes, settings, workers, on_progress)
    return outcomes + [Outcome(name, error=error) for name, error in dataset.broken.items()]


def _print_summary(console: Console, outcomes: list[Outcome], counts: dict, save_path: Path, seconds: float) -> None:
    labelled = sum(outcome.labelled for outcome in outcomes)
    present = sum(outcome.present for outcome in outcomes)
    failed = [outcome for outcome in outcomes if outcome.error]
    table = Table(show_header=False, box=None)
    table.add_row('scenes', f'{len(outcomes) - len(failed)} labelled, {len(failed)} failed')
    table.add_row('keyframes', f'{labelled} labelled now, {present} were there already')
    table.add_row('time', f'{seconds:.1f} s' + (f', {seconds / labelled:.3f} s a keyframe' if labelled else ''))
    table.add_row('index', ', '.join(f'{split}: {count} keyframes' for split, count in counts.items()))
    table.add_row('written to', str(save_path))
    console.print(table)
    for outcome in failed:
        console.print(f'[red]{outcome.scene_name} failed:[/] {escape(outcome.error)}', highlight=False, soft_wrap=True)


def _whole_number(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f'{text} is less than 0')
    return number


def _positive_number(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f'{text} is less than 1')
    return number


if __name__ == '__main__':
    sys.exit(main())
