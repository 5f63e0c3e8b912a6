"""What scenes of one run must have in common, and what they may differ in."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from project.labels.run.recordings import check_taxonomy, joined
from project.sources.base import Lidar, PointLayout, Rig
from project.sources.taxonomies import taxonomy_of_boxes
from project.taxonomy import CAMERAS, Taxonomy


def test_cameras_and_lidars_of_both_are_joined():
    one = Rig((Lidar('top'),), ('CAM_BACK', 'roof'), Rig.nuscenes().own_box)
    two = Rig((Lidar('rear', PointLayout(('x', 'y', 'z'))), Lidar('top')), ('CAM_FRONT', 'belly'), one.own_box)
    both = joined(one, two, 'b')
    assert [lidar.name for lidar in both.lidars] == ['top', 'rear']
    assert both.cameras == ('CAM_FRONT', 'CAM_BACK', 'roof', 'belly')
    assert joined(Rig.nuscenes(CAMERAS[::-1]), Rig.nuscenes(), 'c').cameras == CAMERAS
    assert joined(both, two, 'b') == both


def test_a_lidar_whose_files_differ_is_refused():
    other = replace(Rig.nuscenes(), lidars=(Lidar('LIDAR_TOP', PointLayout(('x', 'y', 'z'))),))
    with pytest.raises(ValueError, match=r'b: files of the lidar LIDAR_TOP hold points in another way .*x, y, z; x, y'):
        joined(Rig.nuscenes(), other, 'b')
    # Its turn may take another time: that is no matter of the files.
    slow = replace(Rig.nuscenes(), lidars=(Lidar('LIDAR_TOP', period_s=0.1),))
    assert joined(Rig.nuscenes(), slow, 'b').lidars == Rig.nuscenes().lidars


def test_other_categories_or_labels_are_refused():
    def scene(taxonomy):
        return SimpleNamespace(name='b', taxonomy=taxonomy)

    given = taxonomy_of_boxes(['tram', 'car'])
    check_taxonomy(given, scene(taxonomy_of_boxes(['tram', 'car'])))
    for other, said in (
        (taxonomy_of_boxes(['tram', 'van']), 'other categories or labels than other scenes .car, van.'),
        (taxonomy_of_boxes(['car', 'tram']), 'the order of categories'),
        (replace(given, label_of=np.zeros(256, np.uint8)), 'gives categories other labels'),
        (Taxonomy.nuscenes(), 'other categories'),
    ):
        with pytest.raises(ValueError, match=f'b: .*{said}'):
            check_taxonomy(given, scene(other))
