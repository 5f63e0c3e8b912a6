"""project.taxonomy: the class lists agree with each other and with the devkit; mappings are read with care."""

import numpy as np
import pytest
import yaml
from nuscenes.utils.color_map import get_colormap

from project import taxonomy
from project.label_set import LabelSet
from project.taxonomy import Taxonomy


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


def write_mapping(path, **changes):
    content = {'labels': dict(enumerate(taxonomy.RAW_NAMES)), 'learning_map': dict(enumerate(taxonomy.LEARNING_MAP))}
    path.write_text(yaml.safe_dump({**content, **changes}))
    return path


def test_a_mapping_in_the_form_of_the_baseline(tmp_path):
    own = write_mapping(tmp_path / 'own.yaml', labels_16={4: 'automobile'})
    mapping = Taxonomy.nuscenes().with_label_mapping(own)
    np.testing.assert_array_equal(mapping.label_of[:32], taxonomy.LEARNING_MAP)
    assert mapping.labels[4] == 'automobile'
    assert mapping.labels[1] == 'barrier'


@pytest.mark.parametrize(
    ('learning_map', 'message'),
    [
        ({0: 0, 1: 1}, r'own.yaml: learning_map has no entry for the categories \[2, 3'),
        (dict.fromkeys(range(32), 17), 'own.yaml: learning_map holds 17; labels are'),
        (dict.fromkeys(range(32), 'car'), 'own.yaml: learning_map holds car; labels are'),
        ({raw: [4] for raw in range(32)}, r'own.yaml: learning_map holds \[4\]; labels are'),
        (dict.fromkeys(range(32), True), 'own.yaml: learning_map holds True; labels are'),
        (None, 'own.yaml: learning_map must be a table such as "0: noise", not None'),
        ([0, 1], r'own.yaml: learning_map must be a table such as "0: noise", not \[0, 1\]'),
    ],
)
def test_a_wrong_learning_map_is_named(tmp_path, learning_map, message):
    with pytest.raises(ValueError, match=message):
        Taxonomy.nuscenes().with_label_mapping(write_mapping(tmp_path / 'own.yaml', learning_map=learning_map))


def test_a_mapping_needs_no_names_and_those_it_has_are_checked(tmp_path):
    own = tmp_path / 'own.yaml'
    own.write_text(yaml.safe_dump({'learning_map': dict(enumerate(taxonomy.LEARNING_MAP))}))
    assert Taxonomy.nuscenes().with_label_mapping(own).labels == Taxonomy.nuscenes().labels
    for labels in ({14: 'vehicle.car'}, {32: 'noise'}, {'car': 17}):
        with pytest.raises(ValueError, match='own.yaml: labels has .*, which is not how the categories count'):
            Taxonomy.nuscenes().with_label_mapping(write_mapping(own, labels=labels))
    with pytest.raises(ValueError, match='own.yaml: labels_16 must be a table'):
        Taxonomy.nuscenes().with_label_mapping(write_mapping(own, labels_16=None))


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'- just\n- a list\n', 'needs the key "learning_map"'),
        (b'a: [', 'not a YAML file'),
        ('a: ü'.encode('latin-1'), 'not a YAML file'),
    ],
)
def test_what_is_no_mapping_is_named(tmp_path, content, message):
    path = tmp_path / 'own.yaml'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f'own.yaml: {message}'):
        Taxonomy.nuscenes().with_label_mapping(path)


def own_roads(**changes) -> dict:
    """A mapping that knows roads and what stands on them."""
    learning_map = {name: 3 if name.startswith('flat.') else 4 for name in taxonomy.RAW_NAMES} | {'noise': 0}
    return {'learning_map': learning_map, 'labels_16': {3: 'road', 4: 'thing'}, **changes}


def test_classes_of_ones_own_have_names_and_colours_of_their_own(tmp_path):
    mapping = Taxonomy.nuscenes().with_label_mapping(write_mapping(tmp_path / 'own.yaml', **own_roads()))
    labels = LabelSet.of(mapping)
    assert labels.class_names == ('road', 'thing') and labels.classes == (3, 4)
    assert labels.palette[3] != labels.palette[4] != labels.palette[17]
    given = own_roads(palette={3: [1, 2, 3]})
    mapping = Taxonomy.nuscenes().with_label_mapping(write_mapping(tmp_path / 'own.yaml', **given))
    assert mapping.palette[3].tolist() == [1, 2, 3]


def test_a_class_keeps_its_colour_under_another_number(tmp_path):
    given = own_roads(labels_16={3: 'driveable_surface', 4: 'thing'})
    mapping = Taxonomy.nuscenes().with_label_mapping(write_mapping(tmp_path / 'own.yaml', **given))
    assert mapping.palette[3].tolist() == taxonomy.PALETTE[11].tolist()


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'labels_16': {4: 'thing'}}, 'labels_16 has no name for the label 3, to which flat.driveable_surface goes'),
        ({'labels_16': {3: 'thing', 4: 'thing'}}, 'labels_16 calls two labels thing'),
        ({'palette': {3: [1, 2]}}, r'palette has 3: \[1, 2\]; colours are like'),
        ({'palette': {3: [1, 2, 300]}}, r'palette has 3: \[1, 2, 300\]; colours are like'),
        ({'learning_map': {'noise': 0, 'tank': 3}}, 'learning_map has an entry for tank, which is no category'),
    ],
)
def test_what_is_missing_of_ones_own_classes_is_named(tmp_path, changes, message):
    with pytest.raises(ValueError, match=f'own.yaml: {message}'):
        Taxonomy.nuscenes().with_label_mapping(write_mapping(tmp_path / 'own.yaml', **own_roads(**changes)))
