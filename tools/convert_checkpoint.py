#!/usr/bin/env python
"""Convert a checkpoint of the seed, so that config/occupancy_seed.py runs it.

Weights get this project's names and must fit the configuration's model exactly; nothing else is carried over.

examples:
  python tools/convert_checkpoint.py seed_epoch_24.pth ckpts/seed.pth
  python tools/test.py config/occupancy_seed.py ckpts/seed.pth
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('checkpoint', type=Path, help='the checkpoint of the seed')
    parser.add_argument('output', type=Path, help='the checkpoint to write')
    parser.add_argument(
        '--config',
        type=Path,
        default=Path('config/occupancy_seed.py'),
        help='configuration whose model it must fit (default: %(default)s)',
    )
    return parser.parse_args()


def main() -> None:
    """Read, rename, check against the model, write."""
    args = parse_args()
    import project  # noqa: F401  (registers the model)
    from project.engine.checkpoint import read_checkpoint, write_checkpoint
    from project.engine.config import read_config
    from project.engine.weights import load_strictly, weights_of
    from project.models.build import build
    from project.models.checkpoint_names import convert

    config = read_config(args.config, needed=['model'])
    weights = weights_of(read_checkpoint(args.checkpoint))
    converted = convert(weights)
    load_strictly(build(config.model), converted, str(args.checkpoint))
    write_checkpoint(args.output, {'meta': {'converted_from': args.checkpoint.name}, 'state_dict': converted})
    for part, count in Counter(name.split('.')[0] for name in converted).items():
        print(f'{part}: {count} weights')
    print(f'{args.output}: {len(converted)} of {len(weights)} weights renamed, the others follow from {args.config}')


if __name__ == '__main__':
    try:
        main()
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        sys.exit(2)
