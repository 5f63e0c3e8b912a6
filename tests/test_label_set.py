"""Names and colours of labels: which stand for something, and that files state them completely."""

import json
from dataclasses import replace

import numpy as np
import pytest

from project.label_set import LabelSet, category_labels
from project.taxonomy import CLASSES, LABEL_NAMES, PALETTE, Taxonomy


def test_nuscenes_has_all_labels():
    labels = LabelSet.of(Taxonomy.nuscenes())
    assert labels == LabelSet() and labels.names == LABEL_NAMES and labels.class_names == CLASSES
    np.testing.assert_array_equal(labels.colours, PALETTE)


def test_labels_without_a_category_stand_for_nothing():
    only = np.zeros(256, np.uint8)
    only[[17, 24]] = 4, 11
    labels = LabelSet.of(replace(Taxonomy.nuscenes(), label_of=only, labels=('noise', *CLASSES[:11])))
    assert labels.classes == (4, 11) and labels.class_names == ('car', 'driveable_surface')
    assert labels.names[0] == 'noise' and labels.names[17] == 'free' and len(labels.names) == 18


def test_what_is_stated_comes_back_from_json():
    labels = replace(LabelSet(), names=('noise', 'road', *[''] * 15, 'free'), palette=((9, 8, 7),) * 18)
    assert LabelSet.stated_in(json.loads(json.dumps({'version': 1, **labels.as_dict()}))) == labels
    assert LabelSet.stated_in({'version': 1}) == LabelSet()
    with pytest.raises(ValueError, match='18 labels'):
        LabelSet.stated_in({'label_names': ['noise', 'road']})


def test_a_part_has_the_same_numbers_and_names():
    part = replace(LabelSet(), names=tuple(name if name in ('noise', 'car', 'free') else '' for name in LABEL_NAMES))
    moved = replace(LabelSet(), names=('noise', 'car', *[''] * 15, 'free'))
    assert part.is_part_of(LabelSet()) and not LabelSet().is_part_of(part) and not moved.is_part_of(LabelSet())


def test_categories_in_their_order():
    labels = category_labels(Taxonomy.nuscenes())
    assert list(labels) == list(Taxonomy.nuscenes().categories) and labels['vehicle.car'] == 4
