#!/usr/bin/env python
"""Convert a checkpoint of the baseline, so that config/occupancy_seed.py runs it.

Weights get this project's names and must fit the configuration's model exactly; nothing else is carried over.

examples:
  python tools/convert_checkpoint.py baseline_epoch_24.pth ckpts/baseline.pth
  python tools/test.py config/occupancy_seed.py ckpts/baseline.pth
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import project.commands  # noqa: F401, ends here where a package is missing
from project.cli import run


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('checkpoint', type=Path, help='the checkpoint of the baseline')
    parser.add_argument('output', type=Path, help='the checkpoint to write')
    parser.add_argument(
        '--config',
        type=Path,
        default=Path('config/occupancy_seed.py'),
        help='configuration whose model it must fit (default: %(default)s)',
    )
    return parser.parse_args()


def main() -> int:
    """Read, rename, check against the model, write; returns the exit code."""
    args = parse_args()
    try:
        convert_checkpoint(args.checkpoint, args.output, args.config)
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    return 0


def convert_checkpoint(checkpoint: Path, output: Path, config: Path) -> None:
    """Write a checkpoint of the baseline under this project's names.

    Raises:
        OSError, ValueError: a file cannot be read or written, or the weights are not of the model of the configuration.
    """
    # Imported late: --help and a misspelt option should answer at once.
    import project  # noqa: F401  (registers the model)
    from project.engine.checkpoint import read_checkpoint, write_checkpoint
    from project.engine.config_files import read_config
    from project.engine.weights import load_strictly, weights_of
    from project.models.build import build
    from project.models.checkpoint_names import convert

    model = build(read_config(config, needed=['model']).model)
    weights = weights_of(read_checkpoint(checkpoint))
    converted = convert(weights)
    load_strictly(model, converted, str(checkpoint))
    write_checkpoint(output, {'meta': {'converted_from': checkpoint.name}, 'state_dict': converted})
    for part, count in Counter(name.split('.')[0] for name in converted).items():
        print(f'{part}: {count} weights')
    print(f'{output}: {len(converted)} of {len(weights)} weights renamed, the others follow from {config}')


if __name__ == '__main__':
    sys.exit(run(main))
