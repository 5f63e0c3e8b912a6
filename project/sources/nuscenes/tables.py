"""The tables of nuScenes, read once as a stream: v1.0-trainval has 2.6 million sample_data, of which a tenth is needed.

A record is kept only while it is of use and only what is needed of it, so that the full set fits into a few hundred
megabytes (nuscenes-devkit keeps several gigabytes).
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path

from project.taxonomy import RAW_NAMES

CHUNK = 1 << 22

VERSIONS = ('v1.0-trainval', 'v1.0-mini')

TEST = 'v1.0-test'
UNLABELLED = f'{TEST}, which has neither boxes nor lidarseg: no labels can be made from it'


def find_version(dataroot: Path, version: str | None = None) -> str:
    """Name of the folder of tables to use.

    Args:
        dataroot: the root folder of nuScenes.
        version: the folder asked for; None to look for the only one.

    Raises:
        ValueError: there is none or no single one, or it is one for which no labels can be made.
    """
    if version == TEST:
        raise ValueError(UNLABELLED)
    if not dataroot.is_dir():
        raise ValueError(
            f'{dataroot}: no such folder; --dataroot names the folder that holds v1.0-trainval, samples, sweeps'
        )
    if version is not None:
        if not (dataroot / version).is_dir():
            raise ValueError(f'{dataroot / version}: no such folder; the tables of {version} are not in this dataroot')
        return version
    found = sorted(path.name for path in dataroot.glob('v1.0-*') if path.is_dir())
    if found == [TEST]:
        raise ValueError(f'{dataroot}: holds {UNLABELLED}')
    found = [name for name in found if name != TEST]
    if not found:
        raise ValueError(f'{dataroot}: holds no folder of tables such as {" or ".join(VERSIONS)}')
    if len(found) > 1:
        raise ValueError(f'{dataroot}: holds {" and ".join(found)}; choose one with --version')
    return found[0]


def read_table(folder: Path, name: str) -> Iterator[dict]:
    """Records of a table, one at a time.

    Raises:
        ValueError: the table is missing or damaged; the message names it.
    """
    path = folder / f'{name}.json'
    try:
        with open(path, encoding='utf-8') as file:
            yield from _records(file, path)
    except FileNotFoundError:
        remedy = 'unpack nuScenes-lidarseg there' if name == 'lidarseg' else 'unpack the metadata of nuScenes there'
        raise ValueError(f'{path}: this table is missing; {remedy}') from None
    except UnicodeDecodeError as error:
        raise ValueError(f'{path}: is not text in UTF-8 ({error}); the download is damaged') from None


def _records(file, path: Path) -> Iterator[dict]:
    decode = json.JSONDecoder().raw_decode
    text, at = file.read(CHUNK).lstrip(), 1
    if not text.startswith('['):
        raise ValueError(f'{path}: is not a list of records')
    while True:
        while at < len(text) and text[at] in ' \t\r\n,':
            at += 1
        if text[at : at + 1] == ']':
            return
        try:
            record, at = decode(text, at)
        except json.JSONDecodeError:
            more = file.read(CHUNK)
            if not more:
                raise ValueError(f'{path}: ends in the middle of a record; the download is damaged') from None
            text, at = text[at:] + more, 0
            continue
        yield record


@dataclass
class Tables:
    """What the labels need of the tables; each dictionary is keyed by the token of its record unless said otherwise.

    Attributes:
        version: e.g. ``v1.0-trainval``.
        scenes: scene records, in the table's order.
        samples: keyframes of each scene, by scene token.
        calibrations: calibrated sensors, with their ``channel``.
        sensor_data: readings of each scene, by scene token: all of LIDAR_TOP, those of cameras at keyframes.
        ego_poses: the poses of those readings.
        annotations: boxes of each keyframe, by sample token, with ``category_name``.
        lidarseg_files: file of lidarseg labels, by sample_data token.
    """

    version: str
    scenes: list[dict] = field(default_factory=list)
    samples: dict[str, list[dict]] = field(default_factory=dict)
    calibrations: dict[str, dict] = field(default_factory=dict)
    sensor_data: dict[str, list[dict]] = field(default_factory=dict)
    ego_poses: dict[str, dict] = field(default_factory=dict)
    annotations: dict[str, list[dict]] = field(default_factory=dict)
    lidarseg_files: dict[str, str] = field(default_factory=dict)


def read_tables(dataroot: Path, version: str, scene_names: list[str] | None = None, lidarseg: bool = True) -> Tables:
    """Read what is needed for some scenes, or for all; without `lidarseg`, what needs no labels of points.

    Raises:
        ValueError: a table is missing or damaged, or there is no scene of a name asked for.
    """
    try:
        return _read_tables(dataroot / version, version, scene_names, lidarseg)
    except KeyError as key:
        raise ValueError(f'{dataroot / version}: {key} is used by a record and is nowhere in the tables') from None


def _read_tables(folder: Path, version: str, scene_names: list[str] | None, lidarseg: bool) -> Tables:
    tables = Tables(version)
    tables.scenes = [scene for scene in read_table(folder, 'scene') if not scene_names or scene['name'] in scene_names]
    unknown = sorted(set(scene_names or ()) - {scene['name'] for scene in tables.scenes})
    if unknown:
        raise ValueError(f'{folder}: has no scene {", ".join(unknown)}')
    name, times = max(Counter(scene['name'] for scene in tables.scenes).items(), key=itemgetter(1), default=('', 0))
    if times > 1:
        raise ValueError(f'{folder / "scene.json"}: {times} scenes are called {name}; their labels would be mixed')
    tables.samples = {scene['token']: [] for scene in tables.scenes}
    tables.sensor_data = {scene['token']: [] for scene in tables.scenes}
    scene_of_sample = {}
    for sample in read_table(folder, 'sample'):
        if sample['scene_token'] in tables.samples:
            tables.samples[sample['scene_token']].append(sample)
            scene_of_sample[sample['token']] = sample['scene_token']
    channels = {sensor['token']: sensor['channel'] for sensor in read_table(folder, 'sensor')}
    for calibration in read_table(folder, 'calibrated_sensor'):
        tables.calibrations[calibration['token']] = calibration | {'channel': channels.get(calibration['sensor_token'])}
    _read_sensor_data(tables, folder, scene_of_sample)
    _read_annotations(tables, folder, scene_of_sample)
    for record in read_table(folder, 'lidarseg') if lidarseg else ():
        tables.lidarseg_files[record['sample_data_token']] = record['filename']
    return tables


_READING = (
    'token',
    'sample_token',
    'ego_pose_token',
    'calibrated_sensor_token',
    'timestamp',
    'is_key_frame',
    'filename',
    'width',
    'height',
)
_BOX = ('instance_token', 'translation', 'size', 'rotation', 'num_lidar_pts', 'num_radar_pts')


def _read_sensor_data(tables: Tables, folder: Path, scene_of_sample: dict[str, str]) -> None:
    poses = set()
    for record in read_table(folder, 'sample_data'):
        scene = scene_of_sample.get(record['sample_token'])
        calibration = tables.calibrations.get(record['calibrated_sensor_token'])
        # A reading without calibration could be of any sensor: it is kept, for its scene to be reported.
        channel = calibration['channel'] if calibration else None
        needed = channel in (None, 'LIDAR_TOP') or (channel.startswith('CAM') and record['is_key_frame'])
        if scene is not None and needed:
            tables.sensor_data[scene].append({key: record[key] for key in _READING} | {'channel': channel})
            poses.add(record['ego_pose_token'])
    for pose in read_table(folder, 'ego_pose'):
        if pose['token'] in poses:
            tables.ego_poses[pose['token']] = {key: pose[key] for key in ('rotation', 'translation')}


def _read_annotations(tables: Tables, folder: Path, scene_of_sample: dict[str, str]) -> None:
    names = {}
    for category in read_table(folder, 'category'):
        _check_index(category, folder)
        names[category['token']] = category['name']
    categories = {item['token']: names[item['category_token']] for item in read_table(folder, 'instance')}
    for record in read_table(folder, 'sample_annotation'):
        if record['sample_token'] in scene_of_sample:
            box = {key: record[key] for key in _BOX} | {'category_name': categories[record['instance_token']]}
            tables.annotations.setdefault(record['sample_token'], []).append(box)


def _check_index(category: dict, folder: Path) -> None:
    """Make sure that lidarseg counts categories as the taxonomy does, where the table says how it counts."""
    name, index = category['name'], category.get('index')
    if index is not None and (index not in range(len(RAW_NAMES)) or RAW_NAMES[index] != name):
        expected = f'{RAW_NAMES.index(name)}' if name in RAW_NAMES else 'no such category'
        raise ValueError(
            f'{folder / "category.json"}: gives {name} the lidarseg index {index}, nuScenes-lidarseg has {expected}; '
            'points would get labels of other classes'
        )
