"""Look at what the data pipeline feeds the network: augmented images, with the labels projected into them.

Where labels do not lie on what the images show, the geometry is wrong: poses, intrinsics, or an augmentation that moves
pixels without moving ``lidar2img``.

examples:
  python tools/browse_dataset.py config/occupancy.py                       # 4 training samples, to out/browse
  python tools/browse_dataset.py config/occupancy.py --samples 0 25 99 --out /tmp/look
  DATA_ROOT=data/nuscenes python tools/browse_dataset.py config/occupancy.py --split test
"""

import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import project.commands  # noqa: F401, ends here where a package is missing
from project.cli import add_config_options, run


def parse_args(arguments: list[str] | None = None) -> Namespace:
    """Read the command line."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument('config', help='configuration, a Python file')
    parser.add_argument(
        '--split', choices=('train', 'val', 'test'), default='train', help='which dataset [%(default)s]'
    )
    parser.add_argument('--samples', type=int, nargs='+', metavar='N', help='which samples [4 over the whole dataset]')
    parser.add_argument('--out', type=Path, default='out/browse', help='folder for the pictures [%(default)s]')
    add_config_options(parser)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Write the pictures; returns the exit code."""
    args = parse_args(arguments)
    # Imported late: --help and a misspelt option should answer at once.
    from project.visualization.browse import browse

    try:
        for file in browse(args.config, args.split, args.samples, args.out, args.cfg_options):
            print(f'wrote {file}')
    except (ValueError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    return 0


if __name__ == '__main__':
    sys.exit(run(main))
