"""Label mappings: other labels for the categories of nuScenes or of anybody else; files are read with care."""

import numpy as np
import pytest
import yaml

from project import taxonomy
from project.formats import infos
from project.label_mapping import Labelling, relabelled, with_label_mapping
from project.label_set import LabelSet
from project.sources.taxonomies import taxonomy_of_boxes
from project.taxonomy import Taxonomy


def write_mapping(path, **changes):
    content = {'labels': dict(enumerate(taxonomy.RAW_NAMES)), 'learning_map': dict(enumerate(taxonomy.LEARNING_MAP))}
    path.write_text(yaml.safe_dump({**content, **changes}))
    return path


def test_a_mapping_in_the_form_of_the_baseline(tmp_path):
    own = write_mapping(tmp_path / 'own.yaml', labels_16={4: 'automobile'})
    mapping = with_label_mapping(Taxonomy.nuscenes(), own)
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
        with_label_mapping(Taxonomy.nuscenes(), write_mapping(tmp_path / 'own.yaml', learning_map=learning_map))


def test_a_mapping_needs_no_names_and_those_it_has_are_checked(tmp_path):
    own = tmp_path / 'own.yaml'
    own.write_text(yaml.safe_dump({'learning_map': dict(enumerate(taxonomy.LEARNING_MAP))}))
    assert with_label_mapping(Taxonomy.nuscenes(), own).labels == Taxonomy.nuscenes().labels
    for labels in ({14: 'vehicle.car'}, {32: 'noise'}, {'car': 17}):
        with pytest.raises(ValueError, match='own.yaml: labels has .*, which is not how the categories count'):
            with_label_mapping(Taxonomy.nuscenes(), write_mapping(own, labels=labels))
    with pytest.raises(ValueError, match='own.yaml: labels_16 must be a table'):
        with_label_mapping(Taxonomy.nuscenes(), write_mapping(own, labels_16=None))


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
        with_label_mapping(Taxonomy.nuscenes(), path)


def own_roads(**changes) -> dict:
    """A mapping that knows roads and what stands on them."""
    learning_map = {name: 3 if name.startswith('flat.') else 4 for name in taxonomy.RAW_NAMES} | {'noise': 0}
    return {'learning_map': learning_map, 'labels_16': {3: 'road', 4: 'thing'}, **changes}


def test_classes_of_ones_own_have_names_and_colours_of_their_own(tmp_path):
    mapping = with_label_mapping(Taxonomy.nuscenes(), write_mapping(tmp_path / 'own.yaml', **own_roads()))
    labels = LabelSet.of(mapping)
    assert labels.class_names == ('road', 'thing') and labels.classes == (3, 4)
    assert labels.palette[3] != labels.palette[4] != labels.palette[17]
    given = own_roads(palette={3: [1, 2, 3]})
    mapping = with_label_mapping(Taxonomy.nuscenes(), write_mapping(tmp_path / 'own.yaml', **given))
    assert mapping.palette[3].tolist() == [1, 2, 3]


def test_a_class_keeps_its_colour_under_another_number(tmp_path):
    given = own_roads(labels_16={3: 'driveable_surface', 4: 'thing'})
    mapping = with_label_mapping(Taxonomy.nuscenes(), write_mapping(tmp_path / 'own.yaml', **given))
    assert mapping.palette[3].tolist() == taxonomy.PALETTE[11].tolist()


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'labels_16': {4: 'thing'}}, 'labels_16 has no name for the label 3, to which flat.driveable_surface goes'),
        ({'labels_16': {3: 'thing', 4: 'thing'}}, 'labels_16 calls two labels thing'),
        ({'palette': {3: [1, 2]}}, r'palette has 3: \[1, 2\]; colours are like'),
        ({'palette': {3: [1, 2, 300]}}, r'palette has 3: \[1, 2, 300\]; colours are like'),
        ({'palette': {3: [1, [2], 3]}}, r'palette has 3: \[1, \[2\], 3\]; colours are like'),
        ({'learning_map': {'noise': 0, 'tank': 3}}, 'learning_map has an entry for tank, which is no category'),
    ],
)
def test_what_is_missing_of_ones_own_classes_is_named(tmp_path, changes, message):
    with pytest.raises(ValueError, match=f'own.yaml: {message}'):
        with_label_mapping(Taxonomy.nuscenes(), write_mapping(tmp_path / 'own.yaml', **own_roads(**changes)))


def test_categories_that_nuscenes_does_not_have(tmp_path):
    own = tmp_path / 'own.yaml'
    given = taxonomy_of_boxes(['Tram', 'Cone'])
    assert LabelSet.of(given).class_names == ('Tram', 'Cone', 'ground', 'static')
    own.write_text('learning_map: {noise: 0, Tram: 5, Cone: 0, ground: 3, static: 4}\nlabels_16: {5: rail}\n')
    mapped = with_label_mapping(given, own)
    assert (mapped.categories, mapped.ground, mapped.symmetric) == (given.categories, given.ground, given.symmetric)
    labels = LabelSet.of(mapped)
    assert (labels.classes, labels.class_names) == ((3, 4, 5), ('ground', 'static', 'rail'))
    own.write_text('learning_map: {noise: 0, Tram: 1, ground: 3, static: 4}\n')
    with pytest.raises(ValueError, match=r'no entry for the categories \[2\] \(Cone\)'):
        with_label_mapping(given, own)
    own.write_text('learning_map: {vehicle.car: 1}\n')
    with pytest.raises(ValueError, match='vehicle.car, which is no category; these are noise, Tram, Cone'):
        with_label_mapping(given, own)


def test_what_an_index_states_is_mapped_as_its_taxonomy_is(tmp_path):
    own = write_mapping(tmp_path / 'own.yaml', **own_roads())
    mapped = with_label_mapping(Taxonomy.nuscenes(), own)
    stated = relabelled(Labelling.stated_in(infos.metainfo('v', Taxonomy.nuscenes())), own).as_dict()
    expected = infos.metainfo('v', mapped)
    assert stated == {key: expected[key] for key in ('label_names', 'palette', 'category_labels')}
