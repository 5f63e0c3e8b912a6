"""The scenes for training and for validation."""

from pathlib import Path

from project.errors import UserError
from project.plain_files import read_json

SPLITS = ('train', 'val')

OFFICIAL = Path(__file__).with_name('official_splits.json')
"""Scene names of each official split, as nuscenes-devkit lists them."""


def read_splits(dataroot: Path, version: str) -> dict[str, frozenset[str]]:
    """Scene names of ``train`` and ``val``: those of ``splits.json`` among the tables (where
    nuscenes-devkit looks for custom splits) if there is one, and of the official splits otherwise.

    Raises:
        UserError: ``splits.json`` does not hold lists of scene names.
    """
    custom = dataroot / version / 'splits.json'
    if custom.is_file():
        return _read_custom_splits(custom)
    official = read_json(OFFICIAL)
    prefix = 'mini_' if version == 'v1.0-mini' else ''
    return {split: frozenset(official[prefix + split]) for split in SPLITS}


def _read_custom_splits(path: Path) -> dict[str, frozenset[str]]:
    try:
        splits = read_json(path)
        lists = isinstance(splits, dict) and all(isinstance(splits.get(split, []), list) for split in SPLITS)
        if not lists or not all(isinstance(name, str) for split in SPLITS for name in splits.get(split, [])):
            raise ValueError('it is not like {"train": ["scene-0061"], "val": ["scene-0103"]}')
    except ValueError as error:
        raise UserError(f'{path}: does not hold lists of scene names: {error}') from None
    return {split: frozenset(splits.get(split, ())) for split in SPLITS}
