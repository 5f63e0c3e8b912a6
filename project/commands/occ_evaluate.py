"""Score predicted occupancy by the rules of a benchmark."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from project.cli import invocation, run, usable_cores, whole_number
from project.evaluation.names import BAND_EDGES, BASELINE_SHAPE, LAYOUTS, PROTOCOLS, RAYS

if TYPE_CHECKING:
    from project.evaluation.protocols import Scores

EXAMPLES = """\
examples:
  %(prog)s work_dirs/predictions data/occ3d --protocol occ3d
      per-class IoU and mIoU of <sample token>.npz files over the voxels that cameras see
  %(prog)s predictions data/occ3d --protocol rayiou --infos val.pkl
      RayIoU; the rays start at the lidar poses of each scene
  %(prog)s submission.gz data/openocc --protocol openocc --infos val.pkl
      RayIoU, mAVE and OccScore of an OpenOcc submission
  %(prog)s data/occ3d --compare baseline ours --protocol occ3d --json scores.json
      two methods side by side, class by class
  %(prog)s predictions data/openocc --protocol openocc --infos val.pkl --write rays ours.gz
      score, and write the predictions as an OpenOcc submission

val.pkl is the index that data_converter.py writes beside its labels (nuscenes_infos_val.pkl).
docs/evaluation.md says what each protocol counts.
"""


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Command line of this program."""
    parser = argparse.ArgumentParser(
        invocation('occ-evaluate', 'tools/evaluate.py'), description=__doc__, epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = parser.add_argument
    add('paths', nargs='+', type=Path, metavar='PREDICTIONS LABELS', help='what to score, and the ground truth')
    add('--protocol', required=True, choices=PROTOCOLS, help='whose rules')
    add('--compare', nargs=2, type=Path, metavar=('A', 'B'), help='two methods, in place of PREDICTIONS')
    add('--infos', type=Path, metavar='PKL', help='index of the split to score; also the lidar poses for rays')
    add('--dataroot', type=Path, help='nuScenes itself as the source of lidar poses (the index)')
    add('--version', help='folder of tables, if there are several: v1.0-mini, v1.0-trainval')
    add('--no-mask', action='store_true', help='occ3d: score all voxels, not only those of the camera mask')
    add('--partial', action='store_true', help='score only keyframes that have a prediction and labels')
    add(
        '--bands',
        nargs='*',
        type=float,
        default=BAND_EDGES,
        metavar='M',
        help='edges of distance bands, metres (20 35)',
    )
    add(
        '--shape',
        nargs=3,
        type=whole_number(1),
        default=BASELINE_SHAPE,
        metavar=('X', 'Y', 'Z'),
        help='baseline: voxels (100 100 8)',
    )
    add('--json', type=Path, metavar='FILE', help='write the scores for programs')
    add('--markdown', action='store_true', help='print the tables in Markdown, for an issue or a paper')
    add('--write', nargs=2, metavar=('LAYOUT', 'PATH'), help=f'write the predictions as: {", ".join(LAYOUTS)}')
    add('--about', nargs='+', default=[], metavar='KEY=VALUE', help='fields of an OpenOcc submission, e.g. team=...')
    add('--device', help='cpu or cuda (cuda where torch has a GPU)')
    add('--workers', type=whole_number(1), default=usable_cores(), metavar='N', help='threads (%(default)s)')
    options = parser.parse_args(arguments)
    if len(options.paths) != (1 if options.compare else 2):
        parser.error('give PREDICTIONS and LABELS, or LABELS and --compare A B')
    if options.compare and options.compare[0].resolve() == options.compare[1].resolve():
        parser.error(f'--compare: {options.compare[0]} and {options.compare[1]} are the same')
    if options.write and (options.write[0] not in LAYOUTS or options.compare):
        parser.error(f'--write takes one method and one of the layouts {", ".join(LAYOUTS)}')
    if not all('=' in field for field in options.about):
        parser.error('--about takes KEY=VALUE')
    return options


def main(arguments: list[str] | None = None) -> int:
    """Run the program; the exit code is 0, or 2 when predictions or labels cannot be scored."""
    options = parse_arguments(arguments)
    try:
        scores = evaluate(options)
        if options.json:
            write_json(options.json, options.protocol, scores)
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    show(options, scores)
    return 0


def evaluate(options: argparse.Namespace) -> dict[str, 'Scores']:
    """Scores by the name of the method; predictions are written in another layout on request."""
    # Imported late: --help and a misspelt option should answer at once.
    from rich.console import Console
    from rich.progress import track

    from project.evaluation.folder_evaluation import FolderEvaluation
    from project.evaluation.protocols.writing import write
    from project.targets import check_target

    if options.json:
        check_target(options.json)
    if options.write:
        check_target(options.write[1], folder=options.write[0] != RAYS)
    paths = options.compare or options.paths[:1]
    opened = FolderEvaluation.open(
        paths, options.paths[-1], options.protocol,
        infos=options.infos, dataroot=options.dataroot, version=options.version,
        camera_mask=not options.no_mask, partial=options.partial,
        edges=options.bands, shape=tuple(options.shape), device=options.device,
    )  # fmt: skip
    console = Console(stderr=True)

    def progress(counts):
        hidden = not console.is_terminal
        total = len(opened.keyframes)
        return track(counts, options.protocol, total, console=console, transient=True, disable=hidden)

    scores = opened.run(options.workers, progress)
    if options.write:
        layout, path = options.write
        about = dict(field.split('=', 1) for field in options.about)
        write(layout, Path(path), opened.evaluation, opened.methods[0], opened.keyframes, about)
    return dict(zip(map(str, paths), scores, strict=True))


def show(options: argparse.Namespace, scores: dict[str, 'Scores']) -> None:
    """Print the scores as tables."""
    from rich.console import Console

    from project.evaluation.protocols.score_tables import as_markdown, class_table, comparison_table, summary_table

    if options.compare:
        tables = [comparison_table(scores)]
    else:
        tables = [table(result) for result in scores.values() for table in (class_table, summary_table)]
    for table in tables:
        if options.markdown:
            print(as_markdown(table))
        else:
            # Names of files and classes may hold brackets.
            Console(markup=False).print(table)


def write_json(path: Path, protocol: str, scores: dict[str, 'Scores']) -> None:
    """Write the scores of each method as JSON."""
    from project.formats.common import written_whole

    content = {'protocol': protocol, 'methods': {name: result.as_json() for name, result in scores.items()}}
    with written_whole(path) as file:
        file.write(json.dumps(content, indent=1).encode() + b'\n')


def program() -> int:
    """Run as a command; returns the exit code."""
    return run(main)


if __name__ == '__main__':
    sys.exit(program())
