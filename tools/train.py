"""Train a model of a configuration.

examples:
  python tools/train.py config/occupancy.py                               # on one GPU, or on the CPU
  python tools/train.py config/occupancy.py --work-dir out/run1 --amp     # in bfloat16
  python tools/train.py config/occupancy.py --work-dir out/run1 --resume  # go on where it was stopped
  python tools/train.py config/occupancy.py --cfg-options train_dataloader.batch_size=2 train_cfg.max_epochs=12
  bash launcher.sh config/occupancy.py out/run1 --amp                     # on all GPUs of the machine
"""

import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from project.cli import add_run_options


def parse_args() -> Namespace:
    """Read the command line."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument('config', help='configuration, a Python file')
    parser.add_argument('--amp', action='store_true', help='compute in bfloat16, in training and in validation')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='go on from a checkpoint, by default the newest in the work directory (from the start if there is none)',
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate by the total batch size over auto_scale_lr.base_batch_size of the configuration',
    )
    add_run_options(parser, work_dir='work_dirs/<name of the config>')
    return parser.parse_args()


def train(args: Namespace) -> None:
    """Train."""
    from project.engine import OccupancyRunner, command
    from project.targets import check_target

    config = command.configure(args)
    check_target(config.work_dir, folder=True)
    if args.amp:
        command.use_bfloat16(config)
    if args.auto_scale_lr:
        command.scale_learning_rate(config)
    if args.resume:
        command.resume_from(config, args.resume)
    OccupancyRunner.from_cfg(config).train()


def main() -> None:
    """Run the command."""
    args = parse_args()
    # Imported late: --help and a misspelt option should answer at once.
    from project.engine.command import run

    run(train, args, stopped='stopped; --resume goes on from the last checkpoint')


if __name__ == '__main__':
    main()
