"""The training loop: epochs that can be interrupted anywhere and continued exactly."""

from mmdet3d.registry import DATA_SAMPLERS, DATASETS, LOOPS
from mmengine.dist import get_world_size
from mmengine.runner import EpochBasedTrainLoop, Runner

from project.engine.randomness import PlacedSampler, SeededDataset, seed_iteration


@LOOPS.register_module()
class OccupancyTrainLoop(EpochBasedTrainLoop):
    """mmengine's loop over epochs; from a checkpoint within an epoch it continues with the next sample.

    A run resumed from an epoch's end validates first: the run before may have been stopped while it did.

    Args:
        runner: the runner.
        dataloader: configuration of the training data, as mmengine has it.
        max_epochs, val_begin, val_interval: as in mmengine's loop.
    """

    def __init__(self, runner: Runner, dataloader: dict, max_epochs: int, val_begin: int = 1, val_interval: int = 1):
        super().__init__(runner, _seeded(dataloader), max_epochs, val_begin, val_interval)

    def run(self):
        """Train, and validate after epochs.

        Raises:
            ValueError: the checkpoint to resume from was made with other data, processes or batches.
        """
        self._check_origin()
        self.runner.call_hook('before_train')
        if self._position_in_epoch == 0 and self._epoch > 0:
            self._validate_when_due()
        while self._epoch < self._max_epochs and not self.stop_training:
            self.run_epoch()
            self._validate_when_due()
        self.runner.call_hook('after_train')
        return self.runner.model

    def run_epoch(self) -> None:
        """Train to the end of the current epoch."""
        first = self._position_in_epoch
        batch_size = self.dataloader.batch_sampler.batch_size
        self._sampler.begin_epoch(self.runner.seed, self._epoch, skip=first * batch_size)
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        for index, batch in enumerate(self.dataloader, start=first):
            seed_iteration(self.runner.seed, self._iter)
            self.run_iter(index, batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    @property
    def _position_in_epoch(self) -> int:
        return self._iter - self._epoch * len(self.dataloader)

    @property
    def _sampler(self) -> PlacedSampler:
        return self.dataloader.batch_sampler.sampler

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


def _seeded(dataloader: dict) -> dict:
    """The same data with a dataset and a sampler that know the place in the run."""
    dataset = DATASETS.build(dataloader['dataset'])
    if hasattr(dataset, 'full_init'):
        dataset.full_init()
    sampler = DATA_SAMPLERS.build(dataloader['sampler'], default_args=dict(dataset=dataset, seed=0))
    return {**dataloader, 'dataset': SeededDataset(dataset), 'sampler': PlacedSampler(sampler)}
