#!/usr/bin/env python
"""Write the weights of a checkpoint alone, matrices in half precision: small enough to ship.

What training goes on from is left out; names of classes and cameras stay, so that tools/test.py, tools/visualize.py and
project.load use it like any other.

example:
  python tools/slim_checkpoint.py out/demo/training/best_mIoU_epoch_5.pth ckpts/occupancy_lift_tiny.pth
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import project.commands  # noqa: F401, ends here where a package is missing
from project.cli import run


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('checkpoint', type=Path, help='what training wrote')
    parser.add_argument('output', type=Path, help='the checkpoint to write')
    return parser.parse_args()


def main() -> int:
    """Read, convert, write; returns the exit code."""
    args = parse_args()
    try:
        slim_checkpoint(args.checkpoint, args.output)
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    print(f'{args.output}: {args.output.stat().st_size / 1e6:.1f} MB')
    return 0


def slim_checkpoint(checkpoint: Path, output: Path) -> None:
    """Write the weights alone. Vectors, such as the statistics of norms, keep their precision: they take no room.

    Raises:
        OSError, ValueError: a file cannot be read or written, it is no checkpoint, or a weight is too large.
    """
    # Imported late: --help and a misspelt option should answer at once.
    import torch

    from project.engine.checkpoint import read_checkpoint, write_checkpoint
    from project.engine.weights import weights_of

    content = read_checkpoint(checkpoint)
    weights = weights_of(content)
    slim = {name: each.half() if each.ndim > 1 and each.is_floating_point() else each for name, each in weights.items()}
    if lost := [name for name, each in slim.items() if not torch.isfinite(each).all()]:
        raise ValueError(f'{checkpoint}: half precision cannot hold {lost[0]}')
    described = content.get('meta', {}).get('dataset_meta', {})
    write_checkpoint(output, {'meta': {'dataset_meta': described}, 'state_dict': slim})


if __name__ == '__main__':
    sys.exit(run(main))
