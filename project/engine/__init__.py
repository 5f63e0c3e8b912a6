"""Training and testing: mmengine's runner with exact resuming and with checkpoints that are complete and safe to
load."""

from project.engine.amp import OccupancyBfloat16OptimWrapper
from project.engine.averaging import OccupancyAverageHook, OccupancyMovingAverage
from project.engine.checkpoint_hook import OccupancyCheckpointHook
from project.engine.log import OccupancyLogProcessor
from project.engine.loop import OccupancyTrainLoop
from project.engine.machines import OccupancyMachinesHook
from project.engine.monitor import OccupancyLossCheckHook, OccupancyProgressHook
from project.engine.muon import OccupancyMuon
from project.engine.optimizer import OccupancyOptimWrapperConstructor
from project.engine.runner import OccupancyRunner
from project.engine.schedule import OccupancyBaselineLR
from project.engine.speed import OccupancySpeedHook

__all__ = [
    'OccupancyAverageHook',
    'OccupancyBaselineLR',
    'OccupancyBfloat16OptimWrapper',
    'OccupancyCheckpointHook',
    'OccupancyLogProcessor',
    'OccupancyLossCheckHook',
    'OccupancyMachinesHook',
    'OccupancyMovingAverage',
    'OccupancyMuon',
    'OccupancyOptimWrapperConstructor',
    'OccupancyProgressHook',
    'OccupancyRunner',
    'OccupancySpeedHook',
    'OccupancyTrainLoop',
]
