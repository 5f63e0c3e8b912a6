"""How the commands for training and testing change a configuration, and report errors."""

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from mmengine.config import Config

from project.engine.checkpoint_hook import last_checkpoint
from project.engine.config_files import read_config
from project.engine.error_sentences import sentence
from project.storage.mounts import mounted

_STARTED_BY = {
    'pytorch': ('RANK', 'torchrun, as launcher.sh does'),
    'slurm': ('SLURM_PROCID', 'srun, as tools/slurm_train.sh does'),
    'mpi': ('OMPI_COMM_WORLD_RANK', 'mpirun'),
}
"""By launcher: the variable that it gives every process, and what sets it."""


def configure(args: Namespace) -> Config:
    """The configuration that the command line names, set up as the options say that all commands share.

    Raises:
        FileNotFoundError, ValueError: as :func:`project.engine.config_files.read_config`, or no such launcher is there.
    """
    config = read_config(args.config, args.cfg_options)
    _check_launcher(args.launcher)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    config.launcher = args.launcher
    config.work_dir = args.work_dir or config.get('work_dir') or f'work_dirs/{Path(args.config).stem}'
    return config


def _check_launcher(launcher: str) -> None:
    variable, starter = _STARTED_BY.get(launcher, (None, None))
    if variable and variable not in os.environ:
        raise ValueError(f'--launcher {launcher}: start this command by {starter}, which sets {variable}')
    if launcher in ('slurm', 'mpi') and not torch.cuda.is_available():
        raise ValueError(f'--launcher {launcher} needs a GPU; on CPUs use torchrun and --launcher pytorch')


def use_bfloat16(config: Config) -> None:
    """Train, and validate meanwhile, in bfloat16.

    Raises:
        ValueError: the optimiser's wrapper is of a kind that this cannot replace.
    """
    kind = config.optim_wrapper.get('type', 'OptimWrapper')
    if kind not in ('OptimWrapper', 'AmpOptimWrapper', 'OccupancyBfloat16OptimWrapper'):
        raise ValueError(f'--amp knows nothing of optim_wrapper.type={kind}; set the precision in the configuration')
    for key in ('loss_scale', 'dtype'):
        config.optim_wrapper.pop(key, None)
    config.optim_wrapper.type = 'OccupancyBfloat16OptimWrapper'
    if config.get('val_cfg') is not None:
        config.val_cfg.fp16 = True  # mmengine's word for autocast; the runner says in which type


def use_checkpoint(config: Config, checkpoint: str, work_dir: str | None) -> None:
    """Test a checkpoint; results go to the folder ``test`` beside it unless there is another work directory.

    Raises:
        FileNotFoundError: there is no such checkpoint.
    """
    if not Path(checkpoint).is_file():
        raise FileNotFoundError(f'there is no checkpoint {checkpoint} to test')
    config.load_from, config.resume = checkpoint, False
    config.work_dir = work_dir or str(Path(checkpoint).parent / 'test')


def predict_in_bfloat16(config: Config) -> None:
    """Test in bfloat16."""
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


def add_protocols(config: Config, protocols: Sequence[str], json_path: str, camera_mask: bool = True) -> None:
    """Score a test by the protocols of benchmarks, too; lidar poses come from the index that the test reads.

    Args:
        config: configuration of the test, changed in place.
        protocols: names in :data:`project.evaluation.names.PROTOCOLS`.
        json_path: file for their scores.
        camera_mask: whether ``occ3d`` scores only voxels of the camera mask.
    """
    evaluators = config.test_evaluator if isinstance(config.test_evaluator, list) else [config.test_evaluator]
    dataset = config.test_dataloader.dataset
    infos = str(mounted(dataset.data_root) / dataset.ann_file)
    options = dict(protocols=list(protocols), infos=infos, camera_mask=camera_mask, json_path=json_path)
    config.test_evaluator = [*evaluators, dict(type='ProtocolMetric', **options)]


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


def run(command: Callable[..., None], *arguments, stopped: str = 'stopped') -> None:
    """Run a command; an error that the user can fix is shown as one sentence, any other with its traceback.

    Args:
        command: the work, called with the arguments.
        stopped: the sentence to show after Ctrl-C.

    Raises:
        SystemExit: with the code 2 after such a sentence, as argparse has it for a wrong option; 130 after Ctrl-C.
    """
    try:
        command(*arguments)
        if torch.distributed.is_initialized():
            torch.distributed.barrier()
    except KeyboardInterrupt:
        print(stopped, file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        said = sentence(error)
        if said is None:
            raise
        print(f'error: {said}', file=sys.stderr)
        sys.exit(2)
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
