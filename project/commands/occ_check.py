"""Judge labels without ground truth: they must agree with the lidar."""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from project.cli import add_cache_options, invocation, run, usable_cores, whole_number
from project.errors import shown
from project.execution.processes import Processes
from project.formats import FORMATS

if TYPE_CHECKING:
    from project.checking.scene_check import SceneReport, Task

EXAMPLES = """\
examples:
  can these labels be trusted? some scenes, in a minute or two:
    %(prog)s project/data/nuscenes/occupancy --dataroot project/data/nuscenes --html check.html

  every scene, or one of them:
    %(prog)s LABELS --dataroot NUSCENES --sample 0 --json check.json
    %(prog)s LABELS --dataroot NUSCENES --scenes scene-0061

  the honest measure: labels are made again without every second sweep, and judged by the sweeps left out:
    %(prog)s LABELS --dataroot NUSCENES --hold-out 2

  before any labels are made: how good will they be?
    %(prog)s --dataroot NUSCENES --hold-out 2 --scenes scene-0061

  your own recordings, as data_converter.py reads them (docs/own_data.md):
    %(prog)s --dataroot MY_CAR --hold-out 2

  labels of others, in any format that the project reads:
    %(prog)s OCC3D/gts --dataroot NUSCENES --format occ3d

The exit code is 0 if labels are trusted, 1 if they are not, and 2 if they could not be judged.
docs/label_checks.md says what each figure means, and what right labels reach.
"""


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        invocation('occ-check', 'tools/check_labels.py'), description=__doc__, epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument('labels', metavar='LABELS', nargs='?', help='folder of labels, of any format, or its URL')
    parser.add_argument(
        '--dataroot',
        metavar='FOLDER',
        required=True,
        help='folder of the recordings, or its URL',
    )
    add_cache_options(parser)
    parser.add_argument('--source', help='kind of recordings in the dataroot, as in data_converter.py (detected)')
    parser.add_argument('--version', help='folder of tables, if there are several: v1.0-mini, v1.0-trainval')
    parser.add_argument('--format', choices=list(FORMATS), help='format of the labels, if the folder has several')
    parser.add_argument('--scenes', nargs='+', metavar='NAME', help='names of the scenes to check')
    parser.add_argument(
        '--sample', type=whole_number(0), default=800, metavar='N',
        help='check scenes of about N keyframes, spread over all; 0 for every scene (%(default)s)',
    )  # fmt: skip
    parser.add_argument(
        '--hold-out', '--holdout', type=whole_number(1), metavar='N',
        help='make labels without every N-th sweep, in a temporary folder, and judge them by these sweeps',
    )  # fmt: skip
    parser.add_argument(
        '--refine-poses',
        action=argparse.BooleanOptionalAction,
        help='place rays by corrected poses (yes; with --hold-out as the labels were made)',
    )
    parser.add_argument(
        '--label-mapping', '--label_mapping', type=Path, metavar='YAML',
        help='window of the labels that --hold-out makes, as in data_converter.py',
    )  # fmt: skip
    parser.add_argument('--json', type=Path, metavar='FILE', help='write everything for programs')
    parser.add_argument('--html', type=Path, metavar='FILE', help='write a page with pictures of the worst keyframes')
    parser.add_argument('--pictures', type=whole_number(0), default=6, metavar='N', help='on the page (%(default)s)')
    parser.add_argument(
        '--workers', type=whole_number(1), default=usable_cores(), metavar='N', help='processes (%(default)s)'
    )
    options = parser.parse_args(arguments)
    if options.labels is None and options.hold_out is None:
        parser.error('give LABELS to judge, or --hold-out N to make some')
    return options


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    options = parse_arguments(arguments)
    given = argparse.Namespace(**vars(options))
    # Imported late: --help and a misspelt option should answer at once.
    from rich.console import Console

    from project.checking.config import CheckConfig
    from project.checking.content import content_of
    from project.checking.table import print_report
    from project.checking.verdict import judge
    from project.storage.mounts import cache_choice, listed, mounted
    from project.targets import check_target

    config = CheckConfig()
    try:
        cache = cache_choice(options)
        options.dataroot = mounted(options.dataroot, cache)
        options.labels = options.labels and listed(mounted(options.labels, cache))
        for target in filter(None, (options.json, options.html)):
            check_target(target)
        with tempfile.TemporaryDirectory(prefix='check-labels-') as folder:
            task = make_task(options, Path(folder), config)
            scenes, reports = check(options, task)
            verdict = judge(reports, config.trust)
            content = content_of(reports, verdict, about(given, task), config)
            print_report(Console(), reports, verdict, config)
            if options.json:
                write_json(options.json, content)
            if options.html:
                write_html(options.html, content, scenes, reports, options.pictures)
    except (OSError, ValueError, ImportError) as error:
        print(f'error: {shown(error)}', file=sys.stderr)
        return 2
    return verdict.exit_code


def about(options: argparse.Namespace, task: 'Task') -> dict[str, str]:
    """What is checked and how, for the report."""
    held_out = f'sweeps held out, each {options.hold_out}.'
    return {
        'labels': str(options.labels or 'made for this check'),
        'recording': str(options.dataroot),
        'judged by': held_out if options.hold_out else 'sweeps that may be in them',
        'poses': 'corrected' if task.correct_poses else 'as given',
    }


def make_task(options: argparse.Namespace, folder: Path, config) -> 'Task':
    """What is to be checked and how; labels are made below `folder`.

    Raises:
        ValueError: there are no labels, or they were not made by this program and so cannot be made again.
    """
    from project.checking.label_folder import LabelFolder
    from project.checking.scene_check import Task
    from project.labels.run.settings import Settings
    from project.storage.mounts import mirror_at

    labels = LabelFolder.find(options.labels, options.format) if options.labels else None
    made = labels.made if labels else {}
    if labels and options.hold_out and not made:
        raise ValueError(
            f'{options.labels}: no settings.json says how these labels were made, so they cannot be made again without '
            'some sweeps; leave out --hold-out to judge them by sweeps that may be in them'
        )
    stated = {name: made[name] for name in ('num_sweeps', 'remove_ghosts') if name in made}
    layout = labels.layout if labels else options.format or 'voxels'
    settings = Settings(folder, formats=(layout,), masks=False, flow=False, **stated)
    correct = options.refine_poses
    if correct is None:
        correct = bool(made.get('refine_poses', True)) if options.hold_out else True
    mirrors = tuple(mirror_at(folder) for folder in (options.dataroot, options.labels) if folder)
    return Task(None if options.hold_out else labels, options.hold_out or 0, settings, correct, config, mirrors)


def check(options: argparse.Namespace, task: 'Task') -> tuple[dict, list['SceneReport']]:
    """The scenes that were checked, by name, and what was found in each."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress

    from project.checking.run import check_scenes, sampled
    from project.checking.scene_check import SceneReport
    from project.sources.opening import open_source

    def wanted(scene) -> bool:
        return task.labels is None or any(map(task.labels.has, scene.keyframes))

    console = Console(stderr=True)
    with console.status(escape(f'reading what is in {options.dataroot}')):
        source = open_source(options.dataroot, options.source, options.version, options.scenes, options.label_mapping)
        chosen, broken, complete = sampled(source, options.sample, wanted)
    if not (chosen or broken):
        raise ValueError(f'{options.labels}: no label is of a keyframe of {options.dataroot}')
    if not complete:
        total = len(source.scene_names)
        console.print(f'checking {len(chosen)} of {total} scenes; --sample 0 checks all', highlight=False)
    with Progress(*Progress.get_default_columns(), console=console, transient=True) as bar:
        progress = bar.add_task('keyframes', total=sum(len(scene.keyframes) for scene in chosen))
        executor = Processes(options.workers)
        reports = check_scenes(chosen, task, executor, lambda done: bar.update(progress, completed=done))
    reports += [SceneReport(name, error=error) for name, error in broken.items()]
    return {scene.name: scene for scene in chosen}, reports


def write_json(path: Path, content: dict) -> None:
    """Write the report for programs."""
    from project.formats.common import written_whole

    with written_whole(path) as file:
        file.write(json.dumps(content, indent=1).encode() + b'\n')


def write_html(path: Path, content: dict, scenes: dict, reports: list['SceneReport'], count: int) -> None:
    """Write the report as a page."""
    from project.checking.pictures import keyframe_pictures
    from project.checking.report_page import write_page
    from project.checking.verdict import worst_keyframes

    pictures = {}
    for scene, keyframe in worst_keyframes(reports, count):
        assert scene.labels is not None  # of a scene that was checked
        labels = scene.labels.read(scenes[scene.name].keyframes[keyframe.index])
        pictures[scene.name, keyframe.index] = keyframe_pictures(scene, keyframe, labels)
    write_page(path, content, pictures)


def program() -> int:
    """Run as a command; returns the exit code."""
    return run(main)


if __name__ == '__main__':
    sys.exit(program())
