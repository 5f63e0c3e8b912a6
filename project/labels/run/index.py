"""``nuscenes_infos_{train,val}.pkl`` beside the labels: the keyframes for training and for validation."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from project.formats import infos
from project.labels.run.folder import locked
from project.labels.run.recordings import joined
from project.sources.base import Rig, Scene
from project.sources.nuscenes.splits import SPLITS


def write_infos(
    save_path: Path,
    version: str,
    splits: Mapping[str, Collection[str]],
    labelled: Iterable[Scene],
    failed: Collection[str] = (),
) -> dict[str, int]:
    """Write the index of both splits; entries of other scenes from earlier runs are kept.

    Args:
        save_path: root folder of the labels.
        version: e.g. ``v1.0-trainval``.
        splits: scene names of ``train`` and ``val``, of the source.
        labelled: the scenes that have labels, all of one taxonomy; each is let go before the next. The index states the
            sensors that any of them has; each keyframe lists its own.
        failed: names of scenes that have no labels or not all of them.

    Returns:
        Number of keyframes of each split.

    Raises:
        UserError: scenes differ in what the index says of all of them.
    """
    paths = {split: save_path / f'nuscenes_infos_{split}.pkl' for split in SPLITS}
    with locked(save_path):
        earlier = [content for path in paths.values() if (content := _earlier(path, version))]
        scenes = {name: entries for content in earlier for name, entries in _scenes(content).items()}
        metainfo = earlier[0]['metainfo'] if earlier else infos.metainfo(version)
        stay = set(scenes) - set(failed)
        rig: Rig | None = None
        for scene in labelled:
            scenes[scene.name] = infos.scene_infos(scene.records, scene.taxonomy, scene.rig)
            rig, taxonomy = joined(rig or scene.rig, scene.rig, scene.name), scene.taxonomy
            stay.discard(scene.name)
        if rig is not None:
            # Of scenes that were labelled earlier, the index keeps the sensors as well.
            rig = joined(infos.rig_of(metainfo), rig, scene.name) if stay else rig
            metainfo = infos.metainfo(version, taxonomy, rig)
        counts = {}
        for split, path in paths.items():
            names = [name for name in sorted(scenes) if _belongs(name, split, splits) and name not in failed]
            entries = [entry for name in names for entry in scenes[name]]
            infos.write(path, entries, metainfo)
            counts[split] = len(entries)
    return counts


def _belongs(scene_name: str, split: str, splits: Mapping[str, Collection[str]]) -> bool:
    """Scenes that are in no split, as in the user's own dataset, are for training."""
    named = [name for name in SPLITS if scene_name in splits[name]] or ['train']
    return split in named


def _earlier(path: Path, version: str) -> dict | None:
    """An index of the same version; None if there is no such index, or if it holds too little to be kept."""
    if not path.is_file():
        return None
    try:
        content = infos.read(path)
    except infos.OldIndexError:
        return None
    return content if content['metainfo']['version'] == version else None


def earlier_keyframes(save_path: Path, version: str) -> list[dict]:
    """Entries of the index of both splits, if there is one."""
    found = [_earlier(save_path / f'nuscenes_infos_{split}.pkl', version) for split in SPLITS]
    return [entry for content in found if content for entry in content['data_list']]


def _scenes(content: dict) -> dict[str, list[dict]]:
    """Entries of each scene in an index."""
    scenes: dict[str, list[dict]] = {}
    # Like new entries: the origin of strings must not change the bytes.
    for entry in infos.interned(content['data_list']):
        entry.pop('sample_idx')
        scenes.setdefault(entry['scene_name'], []).append(entry)
    return scenes
