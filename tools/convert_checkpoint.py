#!/usr/bin/env python
"""Rename the weights of a checkpoint made elsewhere to this project's names."""

import argparse
import sys
from pathlib import Path

from mmengine.config import Config

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

EXAMPLES = """\
examples:
  # a checkpoint of the seed, to be run with config/occupancy_seed.py
  python tools/convert_checkpoint.py ckpts/seed_epoch_24.pth ckpts/seed.pth
  python tools/test.py config/occupancy_seed.py ckpts/seed.pth

  # FCOS3D from the model zoo of mmdet3d, to start the training of config/occupancy.py from
  python tools/convert_checkpoint.py --source fcos3d fcos3d_r101_caffe_dcn.pth ckpts/r101_dcn_fcos3d_pretrain.pth
"""


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('checkpoint', type=Path, help='the checkpoint to read')
    parser.add_argument('output', type=Path, help='the checkpoint to write')
    parser.add_argument(
        '--source', choices=('seed', 'fcos3d'), default='seed', help='who made it (default: %(default)s)'
    )
    parser.add_argument(
        '--config',
        type=Path,
        default=Path('config/occupancy_seed.py'),
        help="model that a seed's checkpoint must fit exactly (default: %(default)s)",
    )
    return parser.parse_args()


def main() -> None:
    """Read, rename, check against the model, write."""
    args = parse_args()
    from mmdet3d.registry import MODELS
    from mmdet3d.utils import register_all_modules

    import project  # noqa: F401  (registers the model)
    from project.engine.checkpoint import read_checkpoint, write_checkpoint
    from project.engine.weights import load_strictly, weights_of
    from project.models.checkpoint_names import FCOS3D, SEED, convert

    register_all_modules(init_default_scope=True)
    weights = weights_of(read_checkpoint(args.checkpoint))
    converted = convert(weights, SEED if args.source == 'seed' else FCOS3D)
    if args.source == 'seed':
        model = MODELS.build(Config.fromfile(args.config).model)
        load_strictly(model, converted, str(args.checkpoint))
    write_checkpoint(args.output, {'meta': {'converted_from': args.checkpoint.name}, 'state_dict': converted})
    print(f'{args.output}: {len(converted)} weights under new names, {len(weights) - len(converted)} not needed')


if __name__ == '__main__':
    try:
        main()
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f'error: {error}')
