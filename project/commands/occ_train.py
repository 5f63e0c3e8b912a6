"""Train a model of a configuration."""

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter

from project.cli import add_run_options, invocation, require_model

EXAMPLES = """\
examples:
  %(prog)s config/occupancy.py                               # on one GPU, or on the CPU
  %(prog)s config/occupancy.py --work-dir out/run1 --amp     # in bfloat16
  %(prog)s config/occupancy.py --work-dir out/run1 --resume  # go on where it was stopped
  %(prog)s config/occupancy.py --cfg-options train_dataloader.batch_size=2 train_cfg.max_epochs=12
  bash launcher.sh config/occupancy.py out/run1 --amp                     # on all GPUs of the machine
"""


def parse_args() -> Namespace:
    """Read the command line."""
    parser = ArgumentParser(
        invocation('occ-train', 'tools/train.py'), description=__doc__, epilog=EXAMPLES,
        formatter_class=RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument('config', help='configuration: a Python file, or the name of a shipped one')
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


def program() -> None:
    """Run as a command; exits as :func:`project.engine.command.run` says."""
    args = parse_args()
    require_model()
    # Imported late: --help and a misspelt option should answer at once.
    from project.engine.command import run

    run(train, args, stopped='stopped; --resume goes on from the last checkpoint')


if __name__ == '__main__':
    program()
