"""What labels to make, and whether they may go into a folder that holds some already."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import project
from project.formats import voxels
from project.formats.common import written_whole
from project.taxonomy import FREE, LABEL_NAMES, LabelMapping

SETTINGS_FILE = 'settings.json'


@dataclass(frozen=True)
class Settings:
    """What labels to make.

    Attributes:
        save_path: root folder of the labels.
        formats: names of the formats to write.
        num_sweeps: keyframes before and after a keyframe whose points, and those of the sweeps between, are gathered.
        mapping: label of each lidarseg index.
        overwrite: make labels again that exist already.
    """

    save_path: Path
    formats: tuple[str, ...] = ('voxels',)
    num_sweeps: int = 10
    mapping: LabelMapping = field(default_factory=LabelMapping.default)
    overwrite: bool = False


def prepare_folder(settings: Settings, version: str) -> None:
    """State in the folder of the labels how they are made; ``settings.json`` has an entry for each format.

    Raises:
        ValueError: labels of a format are there that were made in another way.
        OSError: the folder cannot be written.
    """
    made = {
        'dataset': version,
        'generator': f'{project.__name__} {project.__version__}',
        'num_sweeps': settings.num_sweeps,
        'learning_map': settings.mapping.learning_map.tolist(),
    }
    path = settings.save_path / SETTINGS_FILE
    earlier = json.loads(path.read_text()) if path.is_file() else {}
    for name in settings.formats:
        differing = [key for key, value in made.items() if earlier.get(name, made).get(key) != value]
        if differing and not settings.overwrite:
            raise ValueError(
                f'{path}: the labels of the format {name} were made with another {" and ".join(differing)}; '
                'choose another --save_path, or make all of them again with --overwrite'
            )
    with written_whole(path) as file:
        file.write(json.dumps(earlier | dict.fromkeys(settings.formats, made), indent=1).encode())
    if voxels.NAME in settings.formats:
        voxels.write_manifest(settings.save_path, made, (*settings.mapping.names, LABEL_NAMES[FREE]))
