"""Look at occupancy labels and predictions: pictures without a screen, a page in the browser, a page to send.

SOURCE is a folder of labels (any format that the project reads), a folder of predictions (<sample token>.npz from
tools/test.py; with --truth any label format, too), or a config followed by a checkpoint, which predicts on the spot.
"""

import argparse
import sys
from pathlib import Path

from project.cli import add_cache_options, add_config_options, invocation, require_model, run
from project.errors import shown

EXAMPLES = """examples:
  labels in the browser, with lidar, boxes and camera images:
    %(prog)s project/data/nuscenes/occupancy --dataroot project/data/nuscenes
  one picture; a video of a scene:
    %(prog)s LABELS --dataroot NUSCENES --scene scene-0103 --frames 12 --png frame.png
    %(prog)s LABELS --dataroot NUSCENES --scene scene-0103 --mp4 scene.mp4
  predictions, the labels they should match, and their difference:
    %(prog)s out/predictions --truth LABELS --dataroot NUSCENES
  predict on the spot:
    %(prog)s config/occupancy.py work_dirs/occupancy/best_mIoU_epoch_24.pth --frames 0:8 --gif clip.gif
  a scene in Foxglove or Rerun; one frame on a slide:
    %(prog)s LABELS --dataroot NUSCENES --scene scene-0103 --mcap scene.mcap --rrd scene.rrd
    %(prog)s LABELS --frames 12 --glb frame.glb
  one file to send to someone:
    %(prog)s LABELS --dataroot NUSCENES --frames 0:5 --html clip.html
"""


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        invocation('occ-visualize', 'tools/visualize.py'), description=__doc__, epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument('source', metavar='SOURCE', help='folder of labels or predictions, or its URL; or a config')
    parser.add_argument('checkpoint', metavar='CHECKPOINT', nargs='?', help='weights, after a config')
    what = parser.add_argument_group('what to show')
    what.add_argument('--truth', metavar='FOLDER', help='labels; SOURCE is then predictions in any layout')
    what.add_argument('--dataroot', metavar='FOLDER', help='nuScenes, or its URL; adds lidar points and camera images')
    what.add_argument('--version', help='folder of tables, if there are several: v1.0-mini, v1.0-trainval')
    what.add_argument('--format', help='format of the labels, if the folder has several: voxels, points, occ3d, ...')
    what.add_argument('--scene', metavar='NAME', help='scene; by default the first')
    what.add_argument(
        '--frames',
        metavar='WHICH',
        help='in the scene: 5, 0:10, 0:40:4, all; or tokens, separated by commas. By default the first frame '
        'for --png, --html, --glb and --ply, and all for the others',
    )
    add_cache_options(what)
    add_config_options(what)
    what.add_argument(
        '--mask', choices=('lidar', 'camera'), help='of --png, --gif, --mp4, --glb, --ply: only voxels inside this mask'
    )
    where = parser.add_argument_group('where to (without any of these: --serve)')
    where.add_argument('--png', metavar='PATH', help='a picture; a folder when PATH does not end in .png')
    where.add_argument('--gif', metavar='FILE', help='an animation')
    where.add_argument('--mp4', metavar='FILE', help='a video')
    where.add_argument('--html', metavar='FILE', help='a page in one file, which needs no server and no network')
    where.add_argument('--mcap', metavar='FILE', help='a recording for Foxglove, or for ROS 2')
    where.add_argument(
        '--schemas',
        choices=('foxglove', 'ros2'),
        help='messages of --mcap: those of Foxglove (by default), or those of ROS 2, for ros2 bag play and RViz',
    )
    where.add_argument('--rrd', metavar='FILE', help='a recording for Rerun')
    where.add_argument('--glb', metavar='FILE', help='a mesh of one frame, for slides and web pages')
    where.add_argument('--ply', metavar='FILE', help='a mesh of one frame, for programs that edit meshes')
    where.add_argument(
        '--serve', metavar='HOST:PORT', nargs='?', const='127.0.0.1:8080', help='a page, by default at 127.0.0.1:8080'
    )
    where.add_argument('--width', metavar='PX', type=int, help='of pictures; by default 1920, and 1280 for --gif')
    where.add_argument(
        '--fps', metavar='N', type=float, default=2, help='frames a second of --gif and --mp4; 2 is real time'
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    options = parse_arguments(arguments)
    if Path(options.source).is_file():
        require_model()
    # Imported late: --help and a misspelt option should answer at once.
    from project.visualization.show import show

    try:
        show(options)
    except (ValueError, OSError, ImportError) as error:
        print(f'error: {shown(error)}', file=sys.stderr)
        return 2
    return 0


def program() -> int:
    """Run as a command; returns the exit code."""
    return run(main)


if __name__ == '__main__':
    sys.exit(program())
