"""One keyframe to show, and the difference between its prediction and the truth."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from project.grid import VoxelGrid
from project.label_set import LabelSet
from project.taxonomy import FREE, NOISE, UNOBSERVED

RIGHT, WRONG_CLASS, MISSED, INVENTED = range(4)
NOTHING = 255
"""Value of a voxel in which prediction and truth are free, or whose truth is not known."""

DIFFERENCE_NAMES = ('right', 'wrong class', 'missed', 'invented')
DIFFERENCE_PALETTE = np.array([(176, 184, 192), (240, 180, 0), (0, 104, 190), (213, 60, 0)], np.uint8)
"""(4, 3) uint8 RGB; readers who confuse red and green can distinguish them, too."""


@dataclass(frozen=True)
class Box:
    """An annotated object.

    Attributes:
        grid_from_box: (4, 4) float64 pose in the grid's frame; the box looks along its x.
        size: length, width, height, metres.
        label: class 1-16, or 0.
    """

    grid_from_box: np.ndarray
    size: tuple[float, float, float]
    label: int


@dataclass(frozen=True)
class CameraImage:
    """A camera and its image.

    Attributes:
        name: e.g. ``CAM_FRONT``.
        image: file, or (H, W, 3) uint8 RGB.
        image_from_grid: (3, 4) float64 projection of grid-frame points to homogeneous pixels (u * depth, v * depth,
            depth), depth in metres; the centre of the top left pixel is (0.5, 0.5).
    """

    name: str
    image: Path | np.ndarray
    image_from_grid: np.ndarray


@dataclass
class Frame:
    """One keyframe.

    Attributes:
        scene: name of its scene.
        index: place in the scene, from 0.
        token: token of the keyframe, or what names its file.
        grid: grid of all voxels.
        truth: (X, Y, Z) uint8 labels 0-17 or 255, where known.
        prediction: (X, Y, Z) uint8 labels 0-17, where known.
        masks: (X, Y, Z) bool of ``'lidar'`` (observed) and ``'camera'`` (camera-visible), as far as known.
        points: (N, 3) float32 lidar points in the grid's frame.
        boxes: annotated objects.
        cameras: images.
        labels: names and colours of the labels.
        timestamp_us: when it was recorded, where known.
        global_from_grid: (4, 4) float64 pose of the grid's frame in the world, where known.

    Raises:
        ValueError: there is neither truth nor prediction, or one has not the shape of the grid.
    """

    scene: str
    index: int
    token: str
    grid: VoxelGrid
    truth: np.ndarray | None = None
    prediction: np.ndarray | None = None
    masks: dict[str, np.ndarray] = field(default_factory=dict)
    points: np.ndarray | None = None
    boxes: list[Box] = field(default_factory=list)
    cameras: list[CameraImage] = field(default_factory=list)
    labels: LabelSet = field(default_factory=LabelSet)
    timestamp_us: int | None = None
    global_from_grid: np.ndarray | None = None

    def __post_init__(self):
        arrays = {'labels': self.truth, 'prediction': self.prediction, **self.masks}
        known = {name: array.shape for name, array in arrays.items() if array is not None}
        if not known.keys() & {'labels', 'prediction'}:
            raise ValueError(f'{self.token}: neither labels nor a prediction')
        for name, shape in known.items():
            if shape != self.grid.shape:
                raise ValueError(f'{self.token}: {name} of shape {shape} on a grid of shape {self.grid.shape}')

    def mask(self, name: str) -> np.ndarray:
        """(X, Y, Z) bool mask ``'lidar'`` or ``'camera'``; raises ValueError where it is not known."""
        if name not in self.masks:
            raise ValueError(f'{self.token}: the labels have no {name} mask; leave the mask out')
        return self.masks[name]

    @property
    def compared(self) -> bool:
        """Whether there are labels and a prediction."""
        return self.truth is not None and self.prediction is not None

    @cached_property
    def layers(self) -> list['Layer']:
        """The layers to show: labels, or a prediction, or both (labels are then the truth) and their difference."""
        layers = []
        for name, codes in (('truth' if self.compared else 'labels', self.truth), ('prediction', self.prediction)):
            if codes is not None:
                layers.append(Layer(name, codes, self.labels.names[:FREE], self.labels.colours[:FREE]))
        if self.compared:
            codes = difference(layers[0].codes, layers[1].codes)
            layers.append(Layer('difference', codes, DIFFERENCE_NAMES, DIFFERENCE_PALETTE))
        return layers


@dataclass(frozen=True)
class Layer:
    """Coloured voxels.

    Attributes:
        name: ``'labels'``, ``'truth'``, ``'prediction'`` or ``'difference'``.
        codes: (X, Y, Z) uint8, what each voxel holds; those beyond the names hold nothing.
        names: name of each code; empty for one that stands for nothing.
        palette: (len(names), 3) uint8 RGB.
    """

    name: str
    codes: np.ndarray
    names: tuple[str, ...]
    palette: np.ndarray

    def occupied(self, mask: np.ndarray | None = None) -> np.ndarray:
        """(X, Y, Z) bool, voxels to draw; with a mask, those inside it."""
        occupied = self.codes < len(self.names)
        return occupied if mask is None else occupied & mask


def difference(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Compare labels voxel by voxel.

    Args:
        truth: uint8 labels 0-17 or 255. Where it is 0 (noise) or 255, nothing is known, and nothing is compared.
        prediction: the same shape, uint8 labels 0-17.

    Returns:
        uint8 `RIGHT`, `WRONG_CLASS`, `MISSED`, `INVENTED` or `NOTHING`.
    """
    result = np.full(truth.shape, NOTHING, np.uint8)
    in_truth, in_prediction = truth != FREE, prediction != FREE
    result[in_truth & in_prediction] = WRONG_CLASS
    result[in_truth & (truth == prediction)] = RIGHT
    result[in_truth & ~in_prediction] = MISSED
    result[~in_truth & in_prediction] = INVENTED
    result[(truth == NOISE) | (truth == UNOBSERVED)] = NOTHING
    return result
