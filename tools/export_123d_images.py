#!/usr/bin/env python
"""Write the images of 123D logs into files, which training needs; labels are made without them.

examples:
  python tools/export_123d_images.py --dataroot $PY123D_DATA_ROOT
      those of all keyframes, into images/ there; run it again to go on
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import project.commands  # noqa: F401, ends here where a package is missing
from project.cli import run
from project.errors import FIXABLE


def main() -> int:
    """Parse the arguments, write the images, and say how many there are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--dataroot', type=Path, required=True, help='folder that holds logs/')
    parser.add_argument('--scenes', nargs='+', metavar='NAME', help='names of logs (all)')
    options = parser.parse_args()
    # Not before project.cli, which says where packages are missing.
    from rich.progress import track

    from project.sources.py123d import Py123dSource
    from project.sources.py123d_images import write_images

    try:
        source = Py123dSource(options.dataroot, options.scenes)
        written = [write_images(source.load(name)) for name in track(source.scene_names, description='logs')]
    except (*FIXABLE, ImportError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    print(f'{sum(written)} images written, of {len(written)} logs')
    return 0


if __name__ == '__main__':
    sys.exit(run(main))
