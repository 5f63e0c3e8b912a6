"""What the commands for training and testing share: options, configurations, one sentence for an error."""

import os
import sys
import traceback
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from mmengine.config import Config, DictAction

from project.engine.checkpoint_hook import last_checkpoint

_PROJECT = Path(__file__).resolve().parents[1]


def add_common_options(parser: ArgumentParser) -> None:
    """Add the options that mmdet3d's commands share."""
    parser.add_argument('--work-dir', help='folder for everything that is written [work_dirs/<name of the config>]')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        default={},
        metavar='KEY=VALUE',
        help='replace entries of the configuration: train_cfg.max_epochs=12 model.head.channels="[256,128]"',
    )
    parser.add_argument(
        '--launcher',
        choices=('none', 'pytorch', 'slurm', 'mpi'),
        default='none',
        help='what started the processes: pytorch for torchrun, none for a single one',
    )
    # Older launchers give the rank by this option, torchrun by the environment.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help='set by the launcher')


def read_config(args: Namespace) -> Config:
    """Read the configuration that the command line names, with its options put in.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a configuration of an experiment.
    """
    if not Path(args.config).is_file():
        raise FileNotFoundError(f'there is no configuration {args.config}')
    config = Config.fromfile(args.config)
    config.merge_from_dict(args.cfg_options)
    missing = [key for key in ('model', 'train_dataloader', 'test_dataloader') if key not in config]
    if missing:
        raise ValueError(f'{args.config}: sets no {", ".join(missing)}; is it the base of other configurations?')
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    config.launcher = args.launcher
    config.work_dir = args.work_dir or config.get('work_dir') or f'work_dirs/{Path(args.config).stem}'
    return config


def use_bfloat16(config: Config) -> None:
    """Train in bfloat16.

    Raises:
        ValueError: the optimiser's wrapper is of a kind that this cannot replace.
    """
    kind = config.optim_wrapper.get('type', 'OptimWrapper')
    if kind not in ('OptimWrapper', 'AmpOptimWrapper', 'OccupancyBfloat16OptimWrapper'):
        raise ValueError(f'--amp knows nothing of optim_wrapper.type={kind}; set the precision in the configuration')
    for key in ('loss_scale', 'dtype'):
        config.optim_wrapper.pop(key, None)
    config.optim_wrapper.type = 'OccupancyBfloat16OptimWrapper'


def test_in_bfloat16(config: Config) -> None:
    """Run the model of a test in bfloat16."""
    # mmengine's test loop turns autocast on, in the type that torch has for the device.
    torch.set_autocast_dtype('cuda', torch.bfloat16)
    config.test_cfg.fp16 = True


def set_metric(config: Config, **options) -> None:
    """Set options of the test's OccupancyMetric.

    Raises:
        ValueError: the configuration tests by other metrics.
    """
    evaluators = config.test_evaluator if isinstance(config.test_evaluator, list) else [config.test_evaluator]
    chosen = [evaluator for evaluator in evaluators if evaluator['type'] == 'OccupancyMetric']
    if not chosen:
        raise ValueError('the configuration has no OccupancyMetric in its test_evaluator')
    for evaluator in chosen:
        evaluator.update(options)


def add_protocols(config: Config, protocols: Sequence[str], json_path: str) -> None:
    """Score a test by the protocols of benchmarks, too; lidar poses come from the index that the test reads.

    Args:
        config: configuration of the test, changed in place.
        protocols: names in :data:`project.evaluation.protocols.PROTOCOLS`.
        json_path: file for their scores.
    """
    evaluators = config.test_evaluator if isinstance(config.test_evaluator, list) else [config.test_evaluator]
    dataset = config.test_dataloader.dataset
    infos = str(Path(dataset.data_root) / dataset.ann_file)
    metric = dict(type='ProtocolMetric', protocols=list(protocols), infos=infos, json_path=json_path)
    config.test_evaluator = [*evaluators, metric]


def scale_learning_rate(config: Config) -> None:
    """Scale the learning rate with the total batch size.

    Raises:
        ValueError: the configuration does not say what batch size its rate is for.
    """
    if 'base_batch_size' not in config.get('auto_scale_lr', {}):
        raise ValueError('--auto-scale-lr needs auto_scale_lr=dict(base_batch_size=...) in the configuration')
    config.auto_scale_lr.enable = True


def resume_from(config: Config, checkpoint: str) -> None:
    """Go on from a checkpoint; ``auto`` means the newest in the work directory, or the start where there is none.

    Raises:
        FileNotFoundError: there is no such checkpoint.
    """
    found = last_checkpoint(config.work_dir) if checkpoint == 'auto' else Path(checkpoint)
    if found is None:
        print(f'{config.work_dir} has no checkpoint to resume from: training starts from the beginning')
        return
    if not found.is_file():
        raise FileNotFoundError(f'there is no checkpoint {found} to resume from')
    config.load_from, config.resume = str(found), True


def run(main: Callable[[], None]) -> None:
    """Run a command; what this project finds wrong is told in one sentence, any other error with its traceback."""
    try:
        main()
        if torch.distributed.is_initialized():
            torch.distributed.barrier()
    except KeyboardInterrupt:
        sys.exit('stopped; --resume goes on from the last checkpoint')
    except Exception as error:
        sentence = _own_message(error)
        if sentence is None:
            raise
        sys.exit(f'error: {sentence}')
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def _own_message(error: BaseException | None) -> str | None:
    """Message of an error that this project raised, also where a registry or a loading process passed it on."""
    while error is not None:
        frames = traceback.extract_tb(error.__traceback__)
        if frames and Path(frames[-1].filename).is_relative_to(_PROJECT):
            return str(error.args[0] if error.args else error)
        if 'DataLoader worker process' in str(error) and f'File "{_PROJECT}' in str(error).splitlines()[-3]:
            return str(error).splitlines()[-1].partition(': ')[2]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return None
