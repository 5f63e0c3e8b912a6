"""Scalars and pictures of a training for MLflow."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from mmdet3d.registry import VISBACKENDS
from mmengine.visualization import MLflowVisBackend


@VISBACKENDS.register_module()
class OccupancyMLflowBackend(MLflowVisBackend):
    """mmengine's backend, with pictures, and with a database that MLflow accepts by default.

    mmengine gives pictures names without an extension, and by default writes to a folder of plain files; MLflow 3
    refuses both.

    Args:
        save_dir: folder of the run's scalars and pictures; the runner gives it.
        tracking_uri: server or database of MLflow; by default the environment's ``MLFLOW_TRACKING_URI``, and without
            that ``mlflow.db`` in `save_dir`, with the pictures beside it.
        options: as in mmengine: ``exp_name``, ``run_name``, ``tags``, ``artifact_location``, ...
    """

    def __init__(self, save_dir: str, tracking_uri: str | None = None, **options: Any):
        tracking_uri = tracking_uri or os.environ.get('MLFLOW_TRACKING_URI')
        if tracking_uri is None:
            folder = Path(save_dir).absolute()
            tracking_uri = f'sqlite:///{folder / "mlflow.db"}'
            options = {'exp_name': 'occupancy', 'artifact_location': (folder / 'mlflow').as_uri(), **options}
        super().__init__(save_dir, tracking_uri=tracking_uri, **options)

    def add_image(self, name: str, image: np.ndarray, step: int = 0, **kwargs: Any) -> None:
        """Record an (H, W, 3) RGB picture of a step; MLflow's page has a slider over the steps."""
        self.experiment.log_image(image, key=name, step=step)
