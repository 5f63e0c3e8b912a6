"""Test a checkpoint: print the table of IoU by class, and write it as JSON.

Predictions are saved in the layout of an Occ3D submission; a submission needs a model on Occ3D's grid,
config/occupancy_occ3d.py.
"""

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from pathlib import Path

from project.cli import add_run_options, invocation, require_model
from project.evaluation.names import PROTOCOLS

EXAMPLES = """\
examples:
  %(prog)s config/occupancy.py work_dirs/occupancy/best_mIoU_epoch_24.pth
  %(prog)s CONFIG CHECKPOINT --mask camera --bands 20 35 --geometric
  %(prog)s CONFIG CHECKPOINT --protocols baseline rayiou
  %(prog)s CONFIG CHECKPOINT --protocols occ3d --no-mask    # labels without a camera mask
  %(prog)s CONFIG CHECKPOINT --save-predictions out/predictions    # one <sample token>.npz a keyframe
  torchrun --nproc-per-node 8 -m project.commands.occ_test CONFIG CHECKPOINT --launcher pytorch
"""


def parse_args() -> Namespace:
    """Read the command line."""
    parser = ArgumentParser(
        invocation('occ-test', 'tools/test.py'), description=__doc__, epilog=EXAMPLES,
        formatter_class=RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument('config', help='configuration: a Python file, or the name of a shipped one')
    parser.add_argument('checkpoint', help='checkpoint of this model')
    parser.add_argument('--mask', choices=('lidar', 'camera'), help='count only voxels of this visibility mask')
    parser.add_argument(
        '--bands',
        nargs='+',
        type=float,
        default=[],
        metavar='METRES',
        help='edges of distance bands, e.g. 20 35',
    )
    parser.add_argument('--geometric', action='store_true', help='show the IoU of occupied against free as well')
    parser.add_argument(
        '--protocols',
        nargs='+',
        choices=PROTOCOLS,
        metavar='NAME',
        default=[],
        help=f'score by the rules of these benchmarks as well: {", ".join(PROTOCOLS)}',
    )
    parser.add_argument(
        '--no-mask', action='store_true', help='protocol occ3d: score all voxels, not only those cameras see'
    )
    parser.add_argument('--json', help='file for the result [<work dir>/<name of the checkpoint>.json]')
    parser.add_argument(
        '--save-predictions', metavar='FOLDER', help='write each prediction in the layout of an Occ3D submission'
    )
    parser.add_argument('--amp', action='store_true', help='run the model in bfloat16')
    add_run_options(parser, work_dir='test, beside the checkpoint')
    return parser.parse_args()


def test(args: Namespace) -> None:
    """Test."""
    from project.engine import OccupancyRunner, command
    from project.targets import check_target

    config = command.configure(args)
    command.use_checkpoint(config, args.checkpoint, args.work_dir)
    json_path = args.json or f'{config.work_dir}/{Path(args.checkpoint).stem}.json'
    check_target(config.work_dir, folder=True)
    check_target(json_path)
    options = dict(mask=args.mask, bands=args.bands, geometric=args.geometric, json_path=json_path)
    command.set_metric(config, **options, about=dict(config=args.config, checkpoint=args.checkpoint))
    if args.protocols:
        json_path = f'{config.work_dir}/{Path(args.checkpoint).stem}.protocols.json'
        command.add_protocols(config, args.protocols, json_path, camera_mask=not args.no_mask)
    if args.save_predictions:
        check_target(args.save_predictions, folder=True)
        hook = dict(type='OccupancyPredictionsHook', directory=args.save_predictions)
        config.custom_hooks = [*config.get('custom_hooks', []), hook]
    if args.amp:
        command.predict_in_bfloat16(config)
    OccupancyRunner.from_cfg(config).test()


def program() -> None:
    """Run as a command; exits as :func:`project.engine.command.run` says."""
    args = parse_args()
    require_model()
    # Imported late: --help and a misspelt option should answer at once.
    from project.engine.command import run

    run(test, args)


if __name__ == '__main__':
    program()
