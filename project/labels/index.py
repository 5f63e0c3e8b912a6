"""``nuscenes_infos_{train,val}.pkl`` beside the labels: which keyframes there are to train and to validate on."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from project.formats import infos
from project.formats.infos import KeyframeRecord

SPLITS = ('train', 'val')


def write_infos(
    save_path: Path, dataroot: Path, version: str, records: Mapping[str, Sequence[KeyframeRecord]]
) -> dict[str, int]:
    """Write the index of both splits; scenes of earlier runs that are not among these stay in it.

    Args:
        save_path: root folder of the labels.
        dataroot: root folder of nuScenes.
        version: e.g. ``v1.0-trainval``.
        records: keyframes of each scene that has labels, by scene name.

    Returns:
        Number of keyframes of each split.
    """
    splits = read_splits(dataroot, version)
    counts = {}
    for split in SPLITS:
        path = save_path / f'nuscenes_infos_{split}.pkl'
        scenes = _earlier_scenes(path, version)
        for name, scene_records in records.items():
            # Scenes that no split names, as in a dataset of one's own, are for training.
            if name in splits[split] or (split == 'train' and not any(name in names for names in splits.values())):
                scenes[name] = infos.scene_infos(scene_records)
        entries = [entry for name in sorted(scenes) for entry in scenes[name]]
        infos.write(path, entries, version)
        counts[split] = len(entries)
    return counts


def read_splits(dataroot: Path, version: str) -> dict[str, frozenset[str]]:
    """Scene names of ``train`` and ``val``: those of ``splits.json`` among the tables (where
    nuscenes-devkit looks for custom splits) if there is one, and of the official splits otherwise."""
    custom = dataroot / version / 'splits.json'
    if custom.is_file():
        splits = json.loads(custom.read_text())
        return {split: frozenset(splits.get(split, ())) for split in SPLITS}
    # Imported late: the devkit takes longer to import than a small dataset to convert.
    from nuscenes.utils.splits import create_splits_scenes

    official = create_splits_scenes()
    prefix = 'mini_' if version == 'v1.0-mini' else ''
    return {split: frozenset(official[prefix + split]) for split in SPLITS}


def _earlier_scenes(path: Path, version: str) -> dict[str, list[dict]]:
    """Entries of each scene in an index of the same version; none where there is no such index."""
    if not path.is_file():
        return {}
    content = infos.read(path)
    scenes: dict[str, list[dict]] = {}
    if content['metainfo']['version'] == version:
        for entry in content['data_list']:
            entry.pop('sample_idx')
            scenes.setdefault(entry['scene_name'], []).append(entry)
    return scenes
