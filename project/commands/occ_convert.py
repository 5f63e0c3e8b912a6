"""Make dense semantic occupancy labels of nuScenes, of data sets in its format, and of your own recordings."""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from project.cli import add_cache_options, invocation, run, usable_cores, whole_number
from project.errors import FIXABLE, UserError, shown
from project.execution.executor import Executor
from project.execution.processes import Processes
from project.formats import FORMATS, voxels
from project.geometry.bitgrid import MOST_LAYERS
from project.labels.run.away import division_away, files_to_fetch, label_away
from project.labels.run.convert import Outcome, convert, write_log
from project.labels.run.every_sweep import at_every_sweep
from project.labels.run.folder import LOG_FILE, prepare_folder, state_poses
from project.labels.run.grids import grid_of_words
from project.labels.run.index import write_infos
from project.labels.run.places import Places
from project.labels.run.pose_files import corrected_records, read_report
from project.labels.run.report import Report
from project.labels.run.settings import Settings
from project.labels.run.survey import Survey, complete_scenes, survey
from project.sources.base import PointLayout, Scene, Scenes, SceneSource
from project.sources.changed import ChangedScenes
from project.sources.naming import uniquely_named
from project.sources.opening import SOURCES, open_source
from project.sources.selection import keyframes_only
from project.storage.mounts import absolute, cache_choice
from project.targets import check_target

if TYPE_CHECKING:
    from project.execution.dask_clusters import ClusterChoice

EXAMPLES = """\
examples:
  %(prog)s
      all scenes below ./project/data/nuscenes/, as sparse 0.2 m voxels, on all cores
  %(prog)s --dry-run
      what would be labelled, which files are missing, and how much space it takes
  %(prog)s --dataroot /data/nuscenes --save_path /data/labels --format voxels --format occ3d
      two formats in one pass
  %(prog)s --format voxels --masks --flow
      with masks of what lidar and cameras observe, and the velocity of every voxel
  %(prog)s --grid -20 -20 -3 20 20 3 0.1 lidar
      smaller voxels around the car
  %(prog)s --instances --flow --every-sweep
      which object each voxel belongs to, and labels at each sweep (20 Hz on nuScenes), for forecasting
  %(prog)s --no-refine-poses
      with the ego poses as they are given, although those of nuScenes have no height
  %(prog)s --scenes scene-0061 scene-0103 --num_sweeps 5 --workers 2
      two scenes, with a shorter window
  %(prog)s --cluster tcp://10.0.0.1:8786
      on the workers of a Dask scheduler (docs/cluster.md)
  %(prog)s --dataroot s3://bucket/nuscenes --save_path s3://bucket/labels --cache /disk/cache --cache-size 100GB
      recordings and labels in an object store (docs/storage.md)
  %(prog)s --dataroot /data/my_car
      your own recordings: a scene.json in the folder of each scene (docs/own_data.md)
"""


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Command line of this program."""
    parser = argparse.ArgumentParser(
        invocation('occ-convert', 'data_converter.py'), description=__doc__, epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument(
        '--dataroot', default='./project/data/nuscenes/',
        help='folder of the recordings, or its URL, such as s3://bucket/nuscenes (%(default)s)',
    )  # fmt: skip
    parser.add_argument(
        '--save_path', '--save-path', help='root folder of the labels, or its URL (occupancy/ below the dataroot)'
    )
    add_cache_options(parser)
    parser.add_argument(
        '--source', choices=SOURCES,
        help='what the dataroot holds: tables of nuScenes, a scene.json per scene, or logs of py123d (detected)',
    )  # fmt: skip
    parser.add_argument('--version', help='folder of tables, such as v1.0-trainval (the only one)')
    parser.add_argument(
        '--num_sweeps', '--num-sweeps', type=whole_number(0), default=10, metavar='N',
        help='use the sweeps from N keyframes before to N keyframes after each keyframe (%(default)s)',
    )  # fmt: skip
    parser.add_argument(
        '--format',
        action='append',
        choices=list(FORMATS),
        dest='formats',
        help='format to write; may be repeated (voxels)',
    )
    parser.add_argument(
        '--grid', nargs=8, metavar=('X0', 'Y0', 'Z0', 'X1', 'Y1', 'Z1', 'SIZE', 'FRAME'),
        help='another grid for voxels: extent and voxel size in metres, and lidar or ego '
        '(-51.2 -51.2 -5 51.2 51.2 3 0.2 lidar)',
    )  # fmt: skip
    parser.add_argument('--scenes', nargs='+', metavar='NAME', help='names of the scenes to convert (all)')
    parser.add_argument(
        '--lidar', nargs='+', metavar='NAME',
        help='lidars to use; keyframes get the frame and the time of the first (all, LIDAR_TOP first)',
    )  # fmt: skip
    parser.add_argument(
        '--point_columns', '--point-columns', nargs='+', metavar='NAME',
        help='float32 columns of the point files (x y z intensity ring)',
    )  # fmt: skip
    parser.add_argument(
        '--intensity_max',
        '--intensity-max',
        type=float,
        metavar='NUMBER',
        help='intensity of the brightest return (255)',
    )
    parser.add_argument(
        '--unique_names', '--unique-names', action='store_true',
        help='name label files by keyframe, if lidar files of several scenes have the same name',
    )  # fmt: skip
    parser.add_argument(
        '--workers', type=whole_number(1), metavar='N', help=f'processes of this machine ({usable_cores()})'
    )
    parser.add_argument(
        '--cluster', metavar='PLACE',
        help='workers of Dask instead: address of a scheduler (tcp://HOST:PORT), local:N, slurm, kubernetes, ssh, or a '
        'YAML file (docs/cluster.md)',
    )  # fmt: skip
    parser.add_argument(
        '--dry-run', action='store_true', help='say what would be labelled, which files are missing, the space it takes'
    )
    parser.add_argument(
        '--every-sweep', '--every_sweep', action='store_true',
        help='labels at each sweep of the lidar as well, named by its time stamp in microseconds; without masks',
    )  # fmt: skip
    parser.add_argument('--overwrite', action='store_true', help='replace labels that exist already')
    parser.add_argument(
        '--masks',
        action=argparse.BooleanOptionalAction,
        help='which voxels lidar and cameras observe, in occ3d and voxels (occ3d only)',
    )
    parser.add_argument(
        '--flow',
        action=argparse.BooleanOptionalAction,
        help='velocity of every voxel, in openocc, openoccupancy and voxels (openocc only)',
    )
    parser.add_argument(
        '--instances', action='store_true',
        help='which object each voxel belongs to, in occ3d and voxels; the same number at all keyframes in voxels',
    )  # fmt: skip
    parser.add_argument(
        '--remove-ghosts',
        action=argparse.BooleanOptionalAction,
        default=True,
        help='dynamic removal: drop static points that lidar rays of other times pass through (yes)',
    )
    parser.add_argument(
        '--complete',
        action='store_true',
        help='fill holes in the ground and in flat surfaces, in all formats but points; voxels marks the filled voxels',
    )
    parser.add_argument(
        '--refine-poses',
        action=argparse.BooleanOptionalAction,
        default=True,
        help='correct ego poses by registering sweeps to each other: those of nuScenes have no height; exact poses '
        'stay as they are (yes)',
    )
    parser.add_argument(
        '--label_mapping',
        '--label-mapping',
        type=Path,
        metavar='YAML',
        help='file with a "learning_map" for other classes: the label of each category, by number or name',
    )
    options = parser.parse_args(arguments)
    if options.cluster and options.workers:
        parser.error('--workers counts processes of this machine; --cluster has its own workers')
    return options


def main(arguments: list[str] | None = None) -> int:
    """Run the program; the exit code is 0 if everything was labelled, 1 if scenes or records were left out, 2 if
    nothing could be labelled."""
    options = parse_arguments(arguments)
    report = Report()
    start = time.perf_counter()
    try:
        cluster = cluster_choice(options)
        places = Places.opened(options.dataroot, options.save_path, cache_choice(options))
        settings = make_settings(options, places.save_path)
        if not options.dry_run and places.labels is None:
            check_target(settings.save_path, folder=True)
        with report.status(f'reading what is in {options.dataroot}'):
            source = open_source(
                places.dataroot, options.source, options.version, options.scenes, options.label_mapping,
                options.lidar or (), point_layout(options), options.workers or usable_cores(),
            )  # fmt: skip
            for change, wanted in (
                (keyframes_only, options.num_sweeps == 0 and not options.every_sweep),
                (at_every_sweep, options.every_sweep),
                (uniquely_named, options.unique_names),
            ):
                source = ChangedScenes(source, change) if wanted else source
            seen = survey(source, settings, with_files=options.dry_run)
        report.warn(seen, settings)
        if options.dry_run:
            return 0 if report.plan(seen, settings) else 1
        with places.changing():
            prepare_folder(settings, source.version, complete_scenes(source, seen))
        with executor_of(options, cluster, complete_scenes(source, seen), places, report) as executor:
            outcomes = label(source, seen, settings, places, executor, report)
        failed = [outcome.scene_name for outcome in outcomes if outcome.error]
        counts = {}
        if len(failed) < len(outcomes):
            labelled = complete_scenes(source, seen, without=failed)
            with places.changing():
                reports = {name: read_report(settings.save_path, name) for name in labelled.names}
                state_poses(settings.save_path, reports)
                # One after the other: all of them at once would take as much memory as their tables.
                indexed = (replace(scene, records=corrected_records(settings.save_path, scene)) for scene in labelled)
                counts = write_infos(settings.save_path, source.version, source.splits, indexed, failed)
            report.poses(reports)
        if any(outcome.log for outcome in outcomes):
            with places.changing():
                write_log(settings.save_path / LOG_FILE, outcomes)
            report.note(f'tracebacks are in {shown(settings.save_path / LOG_FILE)}')
    except FIXABLE as error:
        report.error(error)
        return 2
    report.summary(outcomes, seen, counts, settings.save_path, time.perf_counter() - start)
    return 0 if not (failed or seen.left_out) else 1 if counts else 2


def point_layout(options: argparse.Namespace) -> PointLayout | None:
    """How files store points, if an option says so."""
    if options.point_columns is None and options.intensity_max is None:
        return None
    layout = PointLayout(intensity_max=options.intensity_max or PointLayout.intensity_max)
    return replace(layout, columns=tuple(options.point_columns)) if options.point_columns else layout


def make_settings(options: argparse.Namespace, save_path: Path) -> Settings:
    """The settings that the options ask for.

    Args:
        options: of the command line.
        save_path: local root folder of the labels.

    Raises:
        ValueError, OSError: the label mapping cannot be used.
    """
    formats = tuple(dict.fromkeys(options.formats or [voxels.NAME]))
    if options.grid and voxels.NAME not in formats:
        raise UserError(f'--grid is for the format {voxels.NAME}; the others have grids of their own')
    settings = Settings(
        save_path=save_path,
        formats=formats,
        grid=grid_of_words(options.grid) if options.grid else voxels.GRID,
        num_sweeps=options.num_sweeps,
        overwrite=options.overwrite,
        masks=options.masks,
        flow=options.flow,
        instances=options.instances,
        refine_poses=options.refine_poses,
        remove_ghosts=options.remove_ghosts,
        complete=options.complete,
    )
    if settings.with_masks(voxels.NAME) and settings.grid.shape[2] > MOST_LAYERS:
        raise UserError(
            f'--masks works on up to {MOST_LAYERS} layers of voxels, and --grid has {settings.grid.shape[2]}: choose '
            'larger voxels or a lower extent, or leave out --masks'
        )
    if options.every_sweep and any(map(settings.with_masks, settings.formats)):
        raise UserError('--every-sweep makes labels without masks, since sweeps have no camera images: add --no-masks')
    return settings


def cluster_choice(options: argparse.Namespace) -> 'ClusterChoice | None':
    """What ``--cluster`` says, if it is given; local paths become absolute, as workers run in folders of their own.

    Raises:
        UserError: it says nothing that can be used, or the packages are missing.
    """
    if options.cluster is None:
        return None
    if find_spec('distributed') is None:
        raise UserError("--cluster needs Dask: pip install -e '.[cluster]'")
    from project.execution.dask_clusters import parse_cluster  # Dask takes half a second

    options.save_path = absolute(options.save_path or f'{options.dataroot}/occupancy')
    options.dataroot = absolute(options.dataroot)
    return parse_cluster(options.cluster)


@contextmanager
def executor_of(
    options: argparse.Namespace,
    cluster: 'ClusterChoice | None',
    scenes: Sequence[Scene],
    places: Places,
    report: Report,
) -> Iterator[Executor]:
    """Who labels: processes, or the workers of a cluster, which are checked first."""
    if cluster is None:
        yield Processes(options.workers or usable_cores())
        return
    from project.labels.run.cluster import cluster_executor

    with cluster_executor(cluster, scenes, places, report) as executor:
        yield executor


def label(
    source: SceneSource, seen: Survey, settings: Settings, places: Places, executor: Executor, report: Report
) -> list[Outcome]:
    """Label the scenes that are complete; returns an outcome for each of them and for each broken one."""
    with report.progress(seen.todo) as on_progress:
        scenes, away = Scenes(source, seen.longest_first()), places.away
        if away is None:
            outcomes = convert(scenes, settings, executor, on_progress)
        else:
            ahead, shared = partial(files_to_fetch, settings=settings), (settings, away)
            outcomes = convert(scenes, settings, executor, on_progress, label_away, shared, division_away(), ahead)
    outcomes.sort(key=lambda outcome: seen.complete.index(outcome.scene_name))
    return outcomes + [Outcome(name, error=error) for name, error in seen.broken.items()]


def program() -> int:
    """Run as a command; returns the exit code."""
    return run(main, 'stopped; the labels written so far are complete: run it again, without --overwrite, to go on')


if __name__ == '__main__':
    sys.exit(program())
