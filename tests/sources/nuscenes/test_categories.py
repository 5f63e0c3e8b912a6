"""Categories of tables: nuScenes' own, old ones, other ones; and labels of points that count as tables say."""

from dataclasses import replace

import numpy as np
import pytest
from table_edits import VERSION, copied, edit, rows

from project.errors import UserError
from project.labels.aggregation.sweeps import read_sweep
from project.labels.config import DEFAULT
from project.sources.nuscenes.categories import taxonomy_of
from project.sources.nuscenes.schema import CategoryRow
from project.sources.nuscenes.source import NuScenesSource
from project.taxonomy import RAW_NAMES, Taxonomy

NUSCENES = [CategoryRow(str(index), name, index) for index, name in enumerate(RAW_NAMES)]


def test_those_of_nuscenes_however_they_are_written():
    old = [
        CategoryRow(row.token, row.name) for row in NUSCENES if not row.name.startswith(('flat', 'static.', 'noise'))
    ]
    unused = [CategoryRow('a', 'vehicle.tram', 32), CategoryRow('b', 'vehicle.plane')]
    for table in (NUSCENES, NUSCENES[::-1], NUSCENES[:5], old, [], NUSCENES + unused):
        taxonomy, numbers = taxonomy_of(table, (), labelled=True)
        assert taxonomy.categories == RAW_NAMES and taxonomy.labels == Taxonomy.nuscenes().labels and numbers is None
    for name, index in (('vehicle.car', 14), ('vehicle.car', 32)):
        with pytest.raises(UserError, match=rf'category\.json: gives {name} the lidarseg index {index}'):
            taxonomy_of([CategoryRow('a', name, index)], (), labelled=True)


def test_categories_of_ones_own_count_as_their_table_says():
    names = ('unlabeled', 'road', 'sidewalk', 'car', 'tram', 'pedestrian', 'building', 'tree', 'ego')
    table = [CategoryRow(name, name, 3 * index) for index, name in enumerate(names)]
    taxonomy, numbers = taxonomy_of(table, {'car', 'tram'}, labelled=True)
    assert {name: taxonomy.categories[numbers[3 * i]] for i, name in enumerate(names)} == {
        name: 'noise' if name == 'unlabeled' else name for name in names
    }
    assert [taxonomy.categories[i] for i in taxonomy.ground] == ['road', 'sidewalk']
    assert [taxonomy.categories[i] for i in taxonomy.static] == ['road', 'sidewalk', 'building', 'tree']
    assert [taxonomy.categories[i] for i in sorted(taxonomy.porous)] == ['tree']
    assert taxonomy.categories[taxonomy.own_vehicle] == 'ego' and (numbers == 255).sum() == 256 - len(names)
    label = {name: taxonomy.labels[taxonomy.label_of[i]] for i, name in enumerate(taxonomy.categories)}
    assert label['car'] == 'car' and label['tram'] == 'tram' and label['ego'] == label['noise'] == 'noise'


@pytest.mark.parametrize(
    ('table', 'said'),
    [
        ([CategoryRow('a', 'road')], 'road has no index'),
        ([CategoryRow('a', 'road', 1), CategoryRow('b', 'wall', 1)], 'two categories have the index 1'),
        ([CategoryRow('a', 'road', 300), CategoryRow('b', 'wall', 1)], 'road has the index 300'),
    ],
)
def test_a_table_that_does_not_say_how_points_count(table, said):
    with pytest.raises(UserError, match=rf'category\.json: {said}'):
        taxonomy_of(table, (), labelled=True)


@pytest.fixture
def world(tiny_world, tmp_path):
    return copied(tiny_world, tmp_path / 'world')


def categories_of_points(world) -> list[str]:
    scene = NuScenesSource(world).load('scene-0061')
    sweep = int(scene.keyframe_sweeps[0])
    points = read_sweep(scene, sweep, np.eye(4), DEFAULT.sweeps)
    return [scene.taxonomy.categories[raw] for raw in points.raw]


def test_points_of_other_categories_and_panoptic_ones(world):
    expected = categories_of_points(world)

    def renamed(records):
        return [row | ({'name': 'vehicle.tram'} if row['name'] == 'vehicle.car' else {}) for row in records]

    edit(world, 'category', renamed)
    assert categories_of_points(world) == ['vehicle.tram' if name == 'vehicle.car' else name for name in expected]
    # The same points as panoptic labels, which count instances beside.
    for row in rows(world, 'lidarseg'):
        raw = np.fromfile(world / row['filename'], np.uint8)
        panoptic = raw.astype(np.uint16) * 1000 + np.arange(len(raw)) % 7
        np.savez_compressed(world / row['filename'].replace('.bin', '.npz'), data=panoptic)
    (world / VERSION / 'lidarseg.json').rename(world / VERSION / 'panoptic.json')
    edit(world, 'panoptic', lambda records: [r | {'filename': r['filename'].replace('.bin', '.npz')} for r in records])
    assert categories_of_points(world) == ['vehicle.tram' if name == 'vehicle.car' else name for name in expected]


@pytest.mark.parametrize(
    'content', [{}, {'data': np.zeros((3, 3), np.uint16)}, {'data': np.zeros(5)}, {'data': np.full(5, -1)}, None]
)
def test_damaged_panoptic_labels_are_named(world, content):
    scene = NuScenesSource(world).load('scene-0061')
    file = world / 'labels.npz'
    np.savez_compressed(file, **content) if content is not None else file.write_bytes(b'PK\x03\x04 broken')
    labelled = replace(scene, label_files=('labels.npz',) * len(scene.label_files))
    with pytest.raises(UserError, match=r'labels\.npz: '):
        read_sweep(labelled, 0, np.eye(4), DEFAULT.sweeps)
