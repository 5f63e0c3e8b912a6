"""What labels to make."""

from dataclasses import asdict, dataclass
from pathlib import Path

import project
from project.formats import FORMATS, occ3d, openocc, openoccupancy, voxels
from project.grid import VoxelGrid
from project.label_set import LabelSet, category_labels
from project.labels.config import DEFAULT, LabelConfig
from project.sources.records import Keyframe
from project.taxonomy import Taxonomy

GENERATOR = f'occupancy-bevformer {project.__version__}'

MASKED = {occ3d.NAME: True, voxels.NAME: False}
"""Formats that have a place for masks, and whether they are written unless asked for."""

FLOW = {openocc.NAME: True, openoccupancy.NAME: False, voxels.NAME: False}
"""Formats that have a place for flow, and whether it is written unless asked for."""

INSTANCED = (occ3d.NAME, voxels.NAME)
"""Formats that have a place for instances."""


@dataclass(frozen=True)
class Settings:
    """What labels to make.

    Attributes:
        save_path: root folder of the labels.
        formats: names of the formats to write.
        grid: of the format `voxels`; the other formats have their own.
        num_sweeps: the points of this many keyframes before and after a keyframe, and of the sweeps between them, are
            aggregated.
        overwrite: make existing labels again.
        masks: write the lidar and camera masks in formats that have a place for them; None: in formats that are
            published with them.
        flow: the same for the velocity of voxels.
        instances: write the object of each voxel in formats that have a place for it.
        refine_poses: correct wrong ego poses first.
        remove_ghosts: remove static points that rays contradict.
        complete: fill holes in the ground and in flat surfaces.
        config: thresholds.
    """

    save_path: Path
    formats: tuple[str, ...] = ('voxels',)
    grid: VoxelGrid = voxels.GRID
    num_sweeps: int = 10
    overwrite: bool = False
    masks: bool | None = None
    flow: bool | None = None
    instances: bool = False
    refine_poses: bool = True
    remove_ghosts: bool = True
    complete: bool = False
    config: LabelConfig = DEFAULT

    def grid_of(self, name: str) -> VoxelGrid:
        """The grid of a format."""
        return self.grid if name == voxels.NAME else FORMATS[name].GRID

    def with_masks(self, name: str) -> bool:
        """Whether a format is written with masks."""
        return name in MASKED and (MASKED[name] if self.masks is None else self.masks)

    def with_flow(self, name: str) -> bool:
        """Whether a format is written with flow."""
        return name in FLOW and (FLOW[name] if self.flow is None else self.flow)

    def with_instances(self, name: str) -> bool:
        """Whether a format is written with instances."""
        return self.instances and name in INSTANCED

    def missing(self, keyframe: Keyframe) -> list[str]:
        """Names of the formats in which labels of a keyframe are to be made."""
        paths = {name: self.save_path / FORMATS[name].path(keyframe) for name in self.formats}
        return [name for name, path in paths.items() if self.overwrite or not path.is_file()]

    def made(self, name: str, version: str, taxonomy: Taxonomy) -> dict:
        """Everything that determines the labels of a format, as JSON can hold it."""
        grid = {'grid': asdict(self.grid)} if self.grid_of(name) != FORMATS[name].GRID else {}
        return {
            'dataset': version,
            **grid,
            'generator': GENERATOR,
            'num_sweeps': self.num_sweeps,
            **LabelSet.of(taxonomy).as_dict(),
            'category_labels': category_labels(taxonomy),
            'masks': self.with_masks(name),
            'flow': self.with_flow(name),
            'instances': self.with_instances(name),
            'remove_ghosts': self.remove_ghosts,
            'complete': self.complete,
            'refine_poses': self.refine_poses,
            'config': self.config.as_dict(),
        }
