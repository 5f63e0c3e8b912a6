"""The transform that loads a keyframe's labels, of any format, as the target of a model with any grid."""

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from project.errors import UserError, shown
from project.formats import FORMATS, points
from project.formats.common import MASKS, OccupancyLabels
from project.formats.resample import DenseLabels, flow_on_grid, instances_on_grid, on_grid
from project.grid import VoxelGrid
from project.label_mapping import Labelling, relabelled
from project.storage.mounts import at_hand
from project.taxonomy import UNOBSERVED


@TRANSFORMS.register_module()
class LoadOccupancyLabels(BaseTransform):
    """Load labels onto the model's grid, by :func:`project.formats.resample.on_grid`.

    Adds ``gt_occupancy`` (X, Y, Z) uint8, ``mask_lidar`` and ``mask_camera`` (bool, or None where the format has none),
    ``grid``, ``label_file`` and, unless they are like the baseline's, ``stored_labels``, as the file has them. With
    `flow`, it adds ``gt_flow``, (X, Y, Z, 2) float32; with `instances` ``gt_objects``, (X, Y, Z) int32, 0 for none.

    Labels are fixed to the frame of their format: Occ3D's and OpenOcc's to the ego frame, all others to the lidar
    frame. A model trained on them works in that frame; the grid and the dataset must say so (``frame='ego'``).

    Args:
        grid: the model's grid; a VoxelGrid or the arguments of ``VoxelGrid.from_range``.
        format: name of the format, a key of ``project.formats.FORMATS``.
        mask: ``'lidar'`` or ``'camera'``: voxels outside that mask become 255 and are ignored. Methods differ in
            whether they train with it; always state it.
        label_mapping: YAML file that maps categories to labels in place of the mapping that the index states, for the
            format ``points`` only. Names of classes are then those of this file.
        baseline_compatible: voxelise like the baseline, including its errors, for the format ``points`` only.
        flow: load the velocity of voxels, too, for models that predict it and for its score.
        instances: the same for the object of each voxel.

    Raises:
        ValueError: an option does not exist, or the format's frame is not the grid's.
    """

    def __init__(
        self,
        grid: VoxelGrid | dict,
        format: str = 'voxels',
        mask: str | None = None,
        label_mapping: str | None = None,
        baseline_compatible: bool = False,
        flow: bool = False,
        instances: bool = False,
    ):
        if format not in FORMATS:
            raise ValueError(f'format={format!r}: choose one of {sorted(FORMATS)}')
        if mask is not None and mask not in MASKS:
            raise ValueError(f'mask={mask!r}: choose one of {tuple(MASKS)}, or None')
        if (baseline_compatible or label_mapping) and format != points.NAME:
            raise ValueError(f'baseline_compatible and label_mapping are for the format "points", not for {format!r}')
        self.grid = VoxelGrid.of(grid)
        self.name = format
        self.mask = mask
        self.label_mapping = label_mapping
        self.baseline_compatible = baseline_compatible
        self.flow, self.instances = flow, instances

    @property
    def format(self) -> ModuleType:
        """The format's module; not an attribute, because modules cannot be copied or sent to other processes."""
        return FORMATS[self.name]

    def stated(self, metainfo: Mapping[str, Any]) -> dict[str, Any]:
        """Labels and categories of an index after the mapping; empty without a mapping.

        Raises:
            UserError, OSError: the mapping cannot be used for these categories.
        """
        if self.label_mapping is None:
            return {}
        return relabelled(Labelling.stated_in(metainfo), self.label_mapping).as_dict()

    def transform(self, results: dict) -> dict:
        """Load the file that ``occupancy_path`` names, below ``label_root``.

        Raises:
            FileNotFoundError: it is missing; the message has the command that makes it.
            ValueError: it is damaged, or lacks the mask, flow or instances that are asked for.
        """
        if results['frame'] != self.grid.frame:
            raise ValueError(
                f"the dataset has frame='{results['frame']}' and the labels' grid frame='{self.grid.frame}': "
                'give dataset, labels and model the same frame'
            )
        file = Path(results['label_root']) / results['occupancy_path'][self.format.NAME]
        at_hand(file)
        try:
            stored, labels = self.load(file, results.get('category_labels'))
        except FileNotFoundError:
            raise FileNotFoundError(
                shown(
                    f'{file}: missing; make the labels with: python data_converter.py --dataroot '
                    f'{results["data_root"]} --save_path {results["label_root"]} --format {self.format.NAME}'
                )
            ) from None
        results.update(gt_occupancy=labels.semantics, mask_lidar=labels.mask_lidar, mask_camera=labels.mask_camera)
        results.update(grid=self.grid, label_file=str(file), stored_labels=stored)
        if self.flow:
            results['gt_flow'] = flow_on_grid(_that_has('flow', stored, file), self.grid, labels.semantics)
        if self.instances:
            of_objects = _that_has('instances', stored, file)
            results['gt_objects'] = instances_on_grid(of_objects, self.grid, labels.semantics)
        return results

    def load(
        self, file: Path, category_labels: Mapping[str, int] | None = None
    ) -> tuple[OccupancyLabels | None, DenseLabels]:
        """Labels as a file has them (those of points in the grid's voxels), and on the grid with the mask applied.

        Args:
            file: the file.
            category_labels: label of each category of points, as the dataset states it; that of nuScenes by default.
        """
        if self.format is points:
            stored, labels = self._of_points(file, category_labels)
        else:
            stored = self.format.read(file)
            labels = on_grid(stored, self.grid)
        if self.mask is not None:
            mask = getattr(labels, MASKS[self.mask])
            if mask is None:
                raise ValueError(f'{file}: has no {self.mask} mask; load the labels with mask=None')
            labels.semantics[~mask] = UNOBSERVED
        return stored, labels

    def _of_points(
        self, file: Path, category_labels: Mapping[str, int] | None
    ) -> tuple[OccupancyLabels | None, DenseLabels]:
        label_of = points.labels_by_index(category_labels)
        content = points.read(file, len(label_of) - 1)
        if self.baseline_compatible:
            label_of_point = label_of[content[:, 4].astype(np.uint8)]
            dense = points.voxelise_like_baseline(content, label_of_point, self.grid.extent, self.grid.shape)
            return None, DenseLabels(dense, None, None)
        stored = points.voxelise(content, self.grid, label_of)
        labels = on_grid(stored, self.grid)
        labels.semantics[~self.grid.within(points.GRID)] = UNOBSERVED
        return stored, labels


def _that_has(name: str, stored: OccupancyLabels | None, file: Path) -> OccupancyLabels:
    """Labels that have flow or instances."""
    if stored is None or getattr(stored, name) is None:
        formats = {'flow': 'voxels or openocc', 'instances': 'voxels or occ3d'}[name]
        raise UserError(
            f'{file}: has no {name}; make the labels with data_converter.py --{name}, in the format {formats}, '
            f'or do not ask for it: LoadOccupancyLabels({name}=False), and no head for {name}'
        )
    return stored
