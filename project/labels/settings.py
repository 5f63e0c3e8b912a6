"""What labels to make, and whether they may go into a folder that holds some already."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import project
from project.formats import occ3d, openocc, openoccupancy, voxels
from project.formats.common import written_whole
from project.taxonomy import FREE, LABEL_NAMES, LabelMapping

SETTINGS_FILE = 'settings.json'

MASKED = {occ3d.NAME: True, voxels.NAME: False}
"""Formats that have a place for masks, and whether they are written unless asked for."""

FLOW = {openocc.NAME: True, openoccupancy.NAME: False, voxels.NAME: False}
"""Formats that have a place for flow, and whether it is written unless asked for."""


@dataclass(frozen=True)
class Settings:
    """What labels to make.

    Attributes:
        save_path: root folder of the labels.
        formats: names of the formats to write.
        num_sweeps: keyframes before and after a keyframe whose points, and those of the sweeps between, are gathered.
        mapping: label of each lidarseg index.
        overwrite: make labels again that exist already.
        masks: write the masks of what lidar and cameras see, where a format has a place for them; None where the format
            is published with them.
        flow: the same for the velocity of voxels.
        refine_poses: correct the poses of the car first.
        remove_ghosts: remove what beams contradict.
    """

    save_path: Path
    formats: tuple[str, ...] = ('voxels',)
    num_sweeps: int = 10
    mapping: LabelMapping = field(default_factory=LabelMapping.default)
    overwrite: bool = False
    masks: bool | None = None
    flow: bool | None = None
    refine_poses: bool = False
    remove_ghosts: bool = True

    def with_masks(self, name: str) -> bool:
        """Whether a format is written with masks."""
        return name in MASKED and (MASKED[name] if self.masks is None else self.masks)

    def with_flow(self, name: str) -> bool:
        """Whether a format is written with flow."""
        return name in FLOW and (FLOW[name] if self.flow is None else self.flow)

    def made(self, name: str, version: str) -> dict:
        """What labels of a format are made of and how, as JSON can hold it."""
        return {
            'dataset': version,
            'generator': f'{project.__name__} {project.__version__}',
            'num_sweeps': self.num_sweeps,
            'learning_map': self.mapping.learning_map.tolist(),
            'masks': self.with_masks(name),
            'flow': self.with_flow(name),
            'remove_ghosts': self.remove_ghosts,
            'refine_poses': self.refine_poses,
        }


def prepare_folder(settings: Settings, version: str) -> None:
    """State in the folder of the labels how they are made; ``settings.json`` has an entry for each format.

    Raises:
        ValueError: labels of a format are there that were made in another way.
        OSError: the folder cannot be written.
    """
    made = {name: settings.made(name, version) for name in settings.formats}
    path = settings.save_path / SETTINGS_FILE
    earlier = json.loads(path.read_text()) if path.is_file() else {}
    for name in settings.formats:
        was = earlier.get(name, made[name])
        differing = [key for key, value in made[name].items() if was.get(key) != value]
        if differing and not settings.overwrite:
            raise ValueError(
                f'{path}: the labels of the format {name} were made with another {" and ".join(differing)}; '
                'choose another --save_path, or make all of them again with --overwrite'
            )
    with written_whole(path) as file:
        file.write(json.dumps(earlier | made, indent=1).encode())
    if voxels.NAME in settings.formats:
        voxels.write_manifest(settings.save_path, made[voxels.NAME], (*settings.mapping.names, LABEL_NAMES[FREE]))
