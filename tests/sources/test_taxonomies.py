import numpy as np
import pytest
import yaml

from project.errors import UserError
from project.sources.taxonomies import read_taxonomy, taxonomy_of_boxes
from project.taxonomy import CLASSES, MOST_CATEGORIES, PALETTE, RAW_NAMES, Taxonomy

OWN = {
    'movable': {'Car': 'vehicle', 'Van': 'vehicle', 'Misc': 'noise'},
    'ground': {'road': 'road', 'grass': 'terrain'},
    'static': {'wall': 'manmade', 'tree': 'vegetation'},
    'porous': ['tree'],
    'own_vehicle': 'ego',
    'palette': {'road': [1, 2, 3]},
}


def read(folder, **changes):
    (folder / 'taxonomy.yaml').write_text(yaml.safe_dump(OWN | changes, sort_keys=False))
    return read_taxonomy(folder / 'taxonomy.yaml')


def test_categories_are_numbered_kind_after_kind(tmp_path):
    taxonomy = read(tmp_path)
    assert taxonomy.categories == ('noise', 'Car', 'Van', 'Misc', 'road', 'grass', 'wall', 'tree', 'ego')
    assert (taxonomy.ground, taxonomy.static, taxonomy.porous) == (range(4, 6), range(4, 8), {7})
    assert taxonomy.own_vehicle == 8
    assert taxonomy.labels == ('noise', 'vehicle', 'road', 'terrain', 'manmade', 'vegetation')
    assert taxonomy.label_of[:9].tolist() == [0, 1, 1, 0, 2, 3, 4, 5, 0]
    assert taxonomy.palette[2].tolist() == [1, 2, 3]
    np.testing.assert_array_equal(taxonomy.palette[5], PALETTE[CLASSES.index('vegetation') + 1])
    assert len({tuple(colour) for colour in taxonomy.palette[:6].tolist()}) == 6


def test_classes_of_nuscenes_keep_their_numbers(tmp_path):
    taxonomy = read(tmp_path, movable={'Car': 'car'}, ground={'road': 'driveable_surface'}, palette={})
    assert taxonomy.labels == Taxonomy.nuscenes().labels
    assert taxonomy.label_of[1] == CLASSES.index('car') + 1


def test_boxes_alone_give_their_own_classes_and_ground_and_the_rest():
    taxonomy = taxonomy_of_boxes(['vehicle.car', 'Tram', 'vehicle.truck', 'animal'])
    assert taxonomy.labels == ('noise', 'car', 'Tram', 'truck', 'ground', 'static')
    assert taxonomy.label_of[:7].tolist() == [0, 1, 2, 3, 0, 4, 5]
    assert (taxonomy.ground, taxonomy.static) == (range(5, 6), range(5, 7))


def test_as_many_categories_as_there_are_numbers_are_possible(tmp_path):
    most = {f'c{n}': 'vehicle' for n in range(MOST_CATEGORIES - 6)}
    assert len(read(tmp_path, movable=most).categories) == MOST_CATEGORIES
    with pytest.raises(UserError, match=r'taxonomy.yaml: has 255 categories.* at most 254 are possible'):
        read(tmp_path, movable=most | {'one more': 'vehicle'})


def test_vehicles_have_two_sides_alike_unless_the_file_says_otherwise(tmp_path):
    taxonomy = read(tmp_path)
    assert {taxonomy.categories[number] for number in taxonomy.symmetric} == {'Car', 'Van'}
    assert read(tmp_path, symmetric=['Misc']).symmetric == {3} and read(tmp_path, symmetric=[]).symmetric == set()
    names = ['REGULAR_VEHICLE', 'BoxTruck', 'construction_vehicle', 'Pedestrian', 'Caravel', 'vehicle.car', 'animal']
    alike = taxonomy_of_boxes(names)
    assert {alike.categories[number] for number in alike.symmetric} == {'REGULAR_VEHICLE', 'BoxTruck', 'vehicle.car'}
    of_nuscenes = taxonomy_of_boxes(RAW_NAMES[1:24])
    assert {of_nuscenes.categories[number] for number in of_nuscenes.symmetric} == {
        RAW_NAMES[number] for number in Taxonomy.nuscenes().symmetric
    }


@pytest.mark.parametrize(
    'changes,message',
    [
        ({'movable': ['Car']}, 'movable must be a table'),
        ({'movable': {'Car': 3}}, 'movable has Car: 3'),
        ({'ground': {}}, 'needs a category of ground'),
        ({'static': {'Car': 'wall', 'tree': None}}, 'the category Car occurs twice'),
        ({'porous': ['Car']}, 'porous names Car, which is no static category'),
        ({'symmetric': ['tree']}, 'symmetric names tree, which is no movable category'),
        ({'symmetric': 'Car'}, 'symmetric must be a list of categories, not Car'),
        ({'palette': {'road': [1, 2, 3, 4]}}, r'palette has road: \[1, 2, 3, 4\]; colours are like'),
        ({'palette': {'road': [1, [2], 300]}}, r'palette has road: \[1, \[2\], 300\]; colours are like'),
        ({'statics': {}}, 'has the key statics, which is not known'),
        ({'movable': {f'c{n}': f'c{n}' for n in range(13)}}, r'has 17 labels .* taxonomy.yaml in the folder'),
    ],
)
def test_what_is_wrong_is_named(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, **changes)
