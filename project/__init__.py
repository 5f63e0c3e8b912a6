"""Dense semantic occupancy for surround-view driving: labels, Occupancy-BEVFormer, evaluation and pictures.

``import project`` makes this package an mmdet3d plugin: its detector, dataset, transforms, metric and hooks are in
mmdet3d's registries from the moment these exist. The import itself is cheap, and the packages that need no framework
(``project.labels``, ``project.formats``, ``project.synthetic``) stay free of torch.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from project.compat import install_plugin

if TYPE_CHECKING:
    from project.inference.predictor import Predictor

__version__ = '1.0.0'

# OpenCV reads it when it is loaded; a small file that says it is larger would fill the memory.
os.environ.setdefault('OPENCV_IO_MAX_IMAGE_PIXELS', str(1 << 27))

install_plugin(
    registering=(
        'project.datasets',
        'project.models',
        'project.engine',
        'project.evaluation.metric',
        'project.evaluation.prediction_hook',
        'project.evaluation.protocols.protocol_metric',
        'project.visualization.hook',
        'project.visualization.mlflow_backend',
    )
)


def load(config: str | Path, checkpoint: str | Path, device: str | None = None, amp: bool = False) -> 'Predictor':
    """A trained model that predicts from plain arrays: ``project.load(...).predict(images, calibration)``.

    Args:
        config: file of an experiment, such as ``config/occupancy.py``, or the name of a shipped one.
        checkpoint: file with the weights of the config's model.
        device: where to compute, such as ``'cuda:0'`` or ``'cpu'``; by default a GPU where there is one.
        amp: compute in bfloat16: several times as fast on a GPU.

    Raises:
        FileNotFoundError, ValueError: a file is missing, or the checkpoint is not of this model.
    """
    from project.inference.predictor import Predictor  # it needs torch and mmdet3d, and ``import project`` does not

    return Predictor(config, checkpoint, device, amp)
