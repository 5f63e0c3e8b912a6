"""How training and tests run: mmengine's runner, made exact to resume, safe to load and whole on disk."""

from project.engine.amp import Bfloat16OptimWrapper
from project.engine.checkpoint_hook import WholeCheckpointHook
from project.engine.loop import ResumableTrainLoop
from project.engine.monitor import FiniteLossHook, ProgressHook
from project.engine.runner import OccupancyRunner
from project.engine.schedule import SeedCosineLR

__all__ = [
    'Bfloat16OptimWrapper',
    'FiniteLossHook',
    'OccupancyRunner',
    'ProgressHook',
    'ResumableTrainLoop',
    'SeedCosineLR',
    'WholeCheckpointHook',
]
