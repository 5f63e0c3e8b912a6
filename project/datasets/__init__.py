"""The dataset, its pipeline transforms and the data preprocessor, registered with mmdet3d."""

from project.datasets.clips import OccupancyClipSampler
from project.datasets.data_sample import OccupancyDataSample
from project.datasets.dataset import NuScenesOccupancyDataset
from project.datasets.grid_augmentation import MoveOccupancyGrid
from project.datasets.image_augmentation import FitSurroundImages
from project.datasets.image_targets import RenderOccupancy
from project.datasets.labels import LoadOccupancyLabels
from project.datasets.object_targets import FindObjectCentres
from project.datasets.preprocessor import OccupancyDataPreprocessor
from project.datasets.transforms import (
    DistortSurroundImages,
    LoadSurroundImages,
    PackOccupancyInputs,
    ScaleSurroundImages,
)

__all__ = [
    'DistortSurroundImages',
    'FindObjectCentres',
    'FitSurroundImages',
    'LoadOccupancyLabels',
    'LoadSurroundImages',
    'MoveOccupancyGrid',
    'NuScenesOccupancyDataset',
    'OccupancyClipSampler',
    'OccupancyDataPreprocessor',
    'OccupancyDataSample',
    'PackOccupancyInputs',
    'RenderOccupancy',
    'ScaleSurroundImages',
]
