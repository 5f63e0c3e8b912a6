"""The training loop: epochs that can be interrupted anywhere and continued exactly."""

from collections.abc import Iterator
from typing import Any

from mmdet3d.registry import DATA_SAMPLERS, DATASETS, LOOPS
from mmengine.dist import get_world_size
from mmengine.runner import EpochBasedTrainLoop, Runner

from project.engine.amp import OccupancyBfloat16OptimWrapper
from project.engine.randomness import PlacedBatches, PlacedSampler, SeededDataset, seed_iteration


@LOOPS.register_module()
class OccupancyTrainLoop(EpochBasedTrainLoop):
    """mmengine's loop over epochs; from a checkpoint within an epoch it continues with the next sample.

    A run resumed from an epoch's end validates first: the run before may have been stopped while it did.

    Persistent loading processes go on with the next epoch while one ends, is validated and saved. So they do not see
    what hooks change in the dataset; those that do not persist begin anew with each epoch, and do.

    Args:
        runner: the runner.
        dataloader: configuration of the training data, as mmengine has it, without a ``batch_sampler``.
        max_epochs, val_begin, val_interval: as in mmengine's loop.

    Raises:
        ValueError: the data has a ``batch_sampler``.
    """

    def __init__(self, runner: Runner, dataloader: dict, max_epochs: int, val_begin: int = 1, val_interval: int = 1):
        super().__init__(runner, _placed(dataloader), max_epochs, val_begin, val_interval)
        self._persistent = dataloader.get('persistent_workers', False)
        self._batches: Iterator | None = None

    def run(self):
        """Train, and validate after epochs.

        Raises:
            ValueError: the checkpoint to resume from was made with other data, processes or batches.
        """
        self._check_origin()
        if isinstance(self.runner.optim_wrapper, OccupancyBfloat16OptimWrapper):
            self.runner.optim_wrapper.is_read = True
        self.runner.call_hook('before_train')
        if self._position_in_epoch == 0 and self._epoch > 0:
            self._validate_when_due()
        try:
            while self._epoch < self._max_epochs and not self.stop_training:
                self.run_epoch()
                self._validate_when_due()
        finally:
            self._batches = None  # ends the loading processes
        self.runner.call_hook('after_train')
        return self.runner.model

    def run_epoch(self) -> None:
        """Train to the end of the current epoch."""
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        if self._batches is None:
            self._batches = self._begin_loading()
        for index in range(self._position_in_epoch, len(self.dataloader)):
            batch = next(self._batches)
            seed_iteration(self.runner.seed, self._iter)
            self.run_iter(index, batch)
        if not self._persistent:
            self._batches = None
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def run_iter(self, idx: int, data_batch: Any) -> None:
        """Train on a batch; with bfloat16 hooks get its losses and the norm of its gradients on the CPU."""
        runner = self.runner
        runner.call_hook('before_train_iter', batch_idx=idx, data_batch=data_batch)
        figures = runner.model.train_step(data_batch, optim_wrapper=runner.optim_wrapper)
        if isinstance(runner.optim_wrapper, OccupancyBfloat16OptimWrapper):
            figures = runner.optim_wrapper.read(figures)
        runner.call_hook('after_train_iter', batch_idx=idx, data_batch=data_batch, outputs=figures)
        self._iter += 1

    @property
    def _position_in_epoch(self) -> int:
        return self._iter - self._epoch * len(self.dataloader)

    def _begin_loading(self) -> Iterator:
        """Batches from here on, of all epochs or of this one."""
        end = self._max_epochs if self._persistent else self._epoch + 1
        self.dataloader.batch_sampler.begin(self.runner.seed, range(self._epoch, end), skip=self._position_in_epoch)
        return iter(self.dataloader)

    def _validate_when_due(self) -> None:
        due = self._epoch % self.val_interval == 0 or self._epoch == self._max_epochs
        if self.runner.val_loop is not None and self._epoch >= self.val_begin and due:
            self.runner.val_loop.run()

    def _check_origin(self) -> None:
        actual = {
            'processes': get_world_size(),
            'batch size': self.dataloader.batch_sampler.batch_size,
            'keyframes': len(self.dataloader.dataset),
            'iterations an epoch': len(self.dataloader),
        }
        saved = self.runner.message_hub.get_info('training_data', actual)
        if saved != actual:
            then, now = (', '.join(f'{key} {value}' for key, value in each.items()) for each in (saved, actual))
            raise ValueError(
                f'the checkpoint was made with other data or processes ({then}) than this run has ({now}): resume with '
                'the same, or start from its weights with load_from'
            )
        self.runner.message_hub.update_info('training_data', actual)


def _placed(dataloader: dict) -> dict:
    """The same data with a dataset and samplers that know the place in the run."""
    if dataloader.get('batch_sampler') is not None:
        raise ValueError('OccupancyTrainLoop puts batches together itself: leave out batch_sampler of train_dataloader')
    dataset = DATASETS.build(dataloader['dataset'])
    if hasattr(dataset, 'full_init'):
        dataset.full_init()
    sampler = DATA_SAMPLERS.build(dataloader['sampler'], default_args=dict(dataset=dataset, seed=0))
    # torch's persistent processes wait for the next epoch to be asked for: here, one pass has all epochs instead.
    kept = {key: value for key, value in dataloader.items() if key not in ('persistent_workers', 'drop_last')}
    batches = dict(type=PlacedBatches, drop_last=dataloader.get('drop_last', False))
    return {**kept, 'dataset': SeededDataset(dataset), 'sampler': PlacedSampler(sampler), 'batch_sampler': batches}
