"""project.taxonomy: the class lists agree with each other and with the devkit; mappings are read with care."""

import pytest
from nuscenes.utils.color_map import get_colormap

from project import taxonomy


def test_every_class_is_reached_by_the_learning_map():
    assert len(taxonomy.LEARNING_MAP) == len(taxonomy.RAW_NAMES) == 32
    assert set(taxonomy.LEARNING_MAP) == set(range(17))


@pytest.mark.parametrize(
    ('raw', 'label'),
    [
        ('vehicle.bus.rigid', 'bus'),
        ('vehicle.bus.bendy', 'bus'),
        ('vehicle.construction', 'construction_vehicle'),
        ('human.pedestrian.child', 'pedestrian'),
        ('human.pedestrian.stroller', 'noise'),
        ('movable_object.trafficcone', 'traffic_cone'),
        ('flat.other', 'other_flat'),
        ('flat.terrain', 'terrain'),
        ('static.manmade', 'manmade'),
        ('static.other', 'noise'),
        ('vehicle.ego', 'noise'),
    ],
)
def test_learning_map(raw, label):
    assert taxonomy.LABEL_NAMES[taxonomy.LEARNING_MAP[taxonomy.RAW_NAMES.index(raw)]] == label


def test_the_palette_is_that_of_the_devkit():
    colours = get_colormap()
    assert list(colours) == list(taxonomy.RAW_NAMES)
    shown = {taxonomy.LEARNING_MAP[raw]: name for raw, name in reversed(list(enumerate(taxonomy.RAW_NAMES)))}
    for label in range(1, 17):
        assert tuple(taxonomy.PALETTE[label]) == tuple(colours[shown[label]]), taxonomy.LABEL_NAMES[label]


def test_raw_names_of_the_static_world():
    assert {taxonomy.RAW_NAMES[raw].split('.')[0] for raw in taxonomy.RAW_STATIC} == {'flat', 'static'}


def test_openocc_holds_the_same_classes():
    assert sorted(taxonomy.OPENOCC_CLASSES) == sorted((*taxonomy.CLASSES, 'free'))
