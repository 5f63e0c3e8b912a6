"""Scalars and pictures of a training, for TensorBoard, Weights & Biases and MLflow: one option each, and read back."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def trained(folder: Path, kind: str) -> Path:
    """Log with one backend in a process of its own, as a runner does; the folder of its files."""
    environment = {**os.environ, 'WANDB_MODE': 'offline', 'WANDB_SILENT': 'true'}
    environment.pop('MLFLOW_TRACKING_URI', None)
    command = [sys.executable, str(HERE / 'backend_run.py'), kind, str(folder)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    assert [path.name for path in folder.iterdir()] == ['run'], 'something was written outside the work directory'
    return folder / 'run' / 'vis_data'


def test_tensorboard(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(trained(tmp_path, 'TensorboardVisBackend')))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars('loss')] == [(0, 4.0), (10, 2.0), (20, 1.0)]
    assert [(event.step, event.width) for event in events.Images('validation_0')] == [(10, 320), (20, 320)]


def test_mlflow(tmp_path):
    pytest.importorskip('mlflow', reason='mlflow is not installed; it is no requirement')
    pytest.importorskip('sqlalchemy', reason='only mlflow-skinny is installed, which keeps no database')
    from mlflow import MlflowClient
    from PIL import Image

    folder = trained(tmp_path, 'OccupancyMLflowBackend')
    client = MlflowClient(f'sqlite:///{folder / "mlflow.db"}')
    (run,) = client.search_runs([client.get_experiment_by_name('occupancy').experiment_id])
    history = client.get_metric_history(run.info.run_id, 'loss')
    assert sorted((each.step, each.value) for each in history) == [(0, 4.0), (10, 2.0), (20, 1.0)]
    assert run.data.params['model.type'] == 'OccupancyLift'
    pictures = sorted((folder / 'mlflow').rglob('images/validation_0*step*.png'))
    assert len(pictures) == 2 and all(Image.open(path).width == 320 for path in pictures)


def test_weights_and_biases(tmp_path):
    pytest.importorskip('wandb', reason='wandb is not installed; it is no requirement')
    from PIL import Image

    folder = trained(tmp_path, 'WandbVisBackend')
    (file,) = folder.glob('wandb/offline-run-*/run-*.wandb')
    # Records of Protocol Buffers, uncompressed: field 2 is the key, field 16 the value as JSON, after its length.
    logged = re.findall(rb'\x12\x04loss\x82\x01.([0-9.]+)', file.read_bytes(), re.DOTALL)
    assert {float(value) for value in logged} == {4.0, 2.0, 1.0}
    pictures = list(folder.glob('wandb/offline-run-*/files/media/images/validation_0*.png'))
    assert len(pictures) == 2 and all(Image.open(path).width == 320 for path in pictures)
