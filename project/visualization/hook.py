"""The runner's hook that shows how predictions improve during training."""

from collections.abc import Sequence

from mmdet3d.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from project.label_set import LabelSet
from project.visualization.render.picture import frame_picture
from project.visualization.sources.samples import sample_frame


@HOOKS.register_module()
class OccupancyVisualizationHook(Hook):
    """Make pictures of some frames at every n-th validation: truth, prediction, difference, camera images.

    They go where the backends of the config's ``visualizer`` write: to files below ``vis_data/vis_image`` in the work
    directory, and to TensorBoard or another service.

    Args:
        interval: validations from one set of pictures to the next.
        frames: which batches of a validation to show (the first sample of each), by number.
        width_px: width of the pictures.
    """

    priority = 'LOW'

    def __init__(self, interval: int = 1, frames: Sequence[int] = (0,), width_px: int = 1280):
        self.interval = interval
        self.frames = frozenset(frames)
        self.width_px = width_px
        self._validations = 0

    def before_val_epoch(self, runner: Runner) -> None:
        """Count validations."""
        self._validations += 1

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: dict, outputs: Sequence) -> None:
        """Make the picture of a batch's first sample."""
        if batch_idx not in self.frames or self._validations % self.interval or not is_main_process():
            return
        labels = LabelSet.stated_in(getattr(runner.visualizer, 'dataset_meta', None) or {})
        frame = sample_frame(data_batch['inputs']['imgs'][0], outputs[0], batch_idx, labels)
        picture = frame_picture(frame, width_px=self.width_px)
        runner.visualizer.add_image(f'validation_{batch_idx}', picture, step=runner.iter)
