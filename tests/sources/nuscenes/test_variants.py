"""What others keep in tables of nuScenes, from the tables to labels and the dataset that training reads."""

import os
from pathlib import Path

import numpy as np
import pytest
from table_edits import VERSION, copied, edit, put, rows

from project.commands.occ_convert import main
from project.datasets import NuScenesOccupancyDataset
from project.formats import infos, voxels
from project.synthetic import WorldSettings, make_world
from project.synthetic.nuscenes_tables import link


def convert(world: Path, *options: str) -> Path:
    """The folder of labels that are made of a world."""
    labels = world / 'occupancy'
    assert main(['--dataroot', str(world), '--workers', '1', '--num_sweeps', '1', *options]) == 0
    return labels


def index(labels: Path, split: str = 'train') -> dict:
    return infos.read(labels / f'nuscenes_infos_{split}.pkl')


def labels_of(labels: Path, split: str = 'train') -> list[voxels.OccupancyLabels]:
    return [voxels.read(labels / entry['occupancy_path']['voxels']) for entry in index(labels, split)['data_list']]


def dataset(world: Path, split: str = 'train', **options) -> NuScenesOccupancyDataset:
    """As training opens it: images are loaded, and labels onto a small grid."""
    grid = {'frame': 'lidar', 'extent': (-20, -20, -4, 20, 20, 2), 'voxel_size': 1.0}
    steps = [{'type': 'LoadSurroundImages'}, {'type': 'LoadOccupancyLabels', 'grid': grid}]
    file = f'occupancy/nuscenes_infos_{split}.pkl'
    return NuScenesOccupancyDataset(file, str(world), pipeline=[*steps, {'type': 'PackOccupancyInputs'}], **options)


@pytest.fixture
def world(tiny_world, tmp_path):
    return copied(tiny_world, tmp_path / 'world')


@pytest.fixture(scope='module')
def usual(tiny_world, tmp_path_factory) -> Path:
    """Labels of the world as it is."""
    labels = tmp_path_factory.mktemp('usual')
    return convert(copied(tiny_world, labels / 'world'))


def contents(labels: Path) -> dict[str, bytes]:
    return {str(path.relative_to(labels)): path.read_bytes() for path in sorted((labels / 'voxels').rglob('*.npz'))}


def test_several_lidars(tmp_path):
    world = tmp_path / 'world'
    make_world(world, WorldSettings.tiny(rig='two-lidars', keyframes=2))
    both = labels_of(convert(world))
    assert [lidar['name'] for lidar in index(world / 'occupancy')['metainfo']['rig']['lidars']] == [
        'lidar_front', 'lidar_rear']  # fmt: skip
    assert {entry['lidar_points']['name'] for entry in index(world / 'occupancy')['data_list']} == {'lidar_front'}
    target = dataset(world)[0]
    # Two sizes of images are padded to one.
    assert target['inputs']['imgs'].shape == (4, 3, 90, 160) and len(np.unique(target['data_samples'].gt_occupancy)) > 3
    one = labels_of(convert(world, '--lidar', 'lidar_front', '--save_path', str(world / 'one')) and world / 'one')
    # The one at the rear sees what the one in front does not.
    assert all(len(b.classes) > 1.15 * len(a.classes) for a, b in zip(one, both, strict=True))


def test_tables_without_annotations_as_those_of_the_test_split(world):
    for table in ('sample_annotation', 'instance'):
        put(world, table, [])
    (world / VERSION / 'lidarseg.json').unlink()
    (world / 'lidarseg').rename(world / 'elsewhere')
    (world / VERSION).rename(world / 'v1.0-test')
    convert(world)
    made = labels_of(world / 'occupancy')
    # Neither boxes nor labels of points: there is ground, and what stands on it; for some voxels that is not clear.
    names = np.array(index(world / 'occupancy')['metainfo']['label_names'])
    for labels in made:
        assert set(names[labels.classes]) <= {'ground', 'static', 'noise'} and len(labels.classes) > 5000
        assert (names[labels.classes] == 'ground').mean() > 0.2 and (names[labels.classes] == 'noise').mean() < 0.05
    assert len(made) == 3 and all(not entry['instances'] for entry in index(world / 'occupancy')['data_list'])
    assert len(dataset(world)) == 3


def test_keyframes_without_sweeps(world, usual):
    def only_keyframes(records):
        kept = [row for row in records if row['is_key_frame']]
        chains: dict[tuple[str, str], list[dict]] = {}
        for row in kept:
            scene = next(r['scene_token'] for r in samples if r['token'] == row['sample_token'])
            chains.setdefault((scene, row['calibrated_sensor_token']), []).append(row)
        for chain in chains.values():
            link(chain)
        return kept

    samples = rows(world, 'sample')
    edit(world, 'sample_data', only_keyframes)
    made = labels_of(convert(world, '--num_sweeps', '0', '--no-refine-poses'))
    assert len(made) == 3 and all(len(labels.classes) > 2000 for labels in made)
    assert all(len(few.classes) < len(many.classes) for few, many in zip(made, labels_of(usual), strict=True))
    assert len(dataset(world)) == 3


def test_no_cameras(world, usual):
    edit(world, 'sample_data', lambda records: [row for row in records if 'LIDAR_TOP' in row['filename']])
    edit(world, 'sensor', lambda records: [row for row in records if row['modality'] == 'lidar'])
    edit(world, 'calibrated_sensor', lambda records: [row for row in records if not row['camera_intrinsic']])
    assert contents(convert(world)) == contents(usual)
    assert index(world / 'occupancy')['metainfo']['rig']['cameras'] == []
    with pytest.raises(ValueError, match='its recordings have no cameras'):
        dataset(world)[0]


def test_panoptic_labels_in_place_of_lidarseg(world, usual):
    records = rows(world, 'lidarseg')
    for row in records:
        raw = np.fromfile(world / row['filename'], np.uint8)
        row['filename'] = row['filename'].replace('lidarseg', 'panoptic').replace('.bin', '.npz')
        (world / row['filename']).parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(world / row['filename'], data=raw.astype(np.uint16) * 1000 + np.arange(len(raw)) % 7)
    put(world, 'panoptic', records)
    (world / VERSION / 'lidarseg.json').unlink()
    assert contents(convert(world)) == contents(usual)


def test_images_anywhere_below_the_dataroot(world, usual):
    def moved(records):
        for row in records:
            if row['fileformat'] == 'jpg':
                file = Path('logs of mine') / Path(row['filename']).parent.name.lower() / f'{row["timestamp"]}.jpeg'
                (world / file).parent.mkdir(parents=True, exist_ok=True)
                os.link(world / row['filename'], world / file)
                row['filename'] = str(file)
        return records

    edit(world, 'sample_data', moved)
    for folder in (world / 'samples').glob('CAM_*'):
        folder.rename(world / f'not {folder.name}')
    assert contents(convert(world)) == contents(usual)
    front = index(world / 'occupancy')['data_list'][0]['images']['CAM_FRONT']['img_path']
    assert front.startswith('logs of mine/cam_front/') and front.endswith('.jpeg')
    packed = dataset(world)[0]
    assert packed['inputs']['imgs'].shape == (6, 3, 90, 160) and packed['inputs']['imgs'].float().std() > 10
