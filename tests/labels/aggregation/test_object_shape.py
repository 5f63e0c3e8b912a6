import numpy as np

from project.labels.aggregation.object_shape import ObjectShapes
from project.labels.aggregation.sweeps import Points
from project.labels.config import DEFAULT


def test_evidence_is_near_labelled_points_of_the_same_track():
    xyz = np.array([(1.9, 0.8, -0.7), (0.0, 0.0, 0.0)], np.float32)
    points = Points(xyz, np.zeros(2, np.uint8), np.zeros(2, np.uint8))
    object_shapes = ObjectShapes(points, np.array([0, 1]), np.array([(4.0, 2.0, 1.6), (0.6, 0.6, 1.8)]), DEFAULT)
    asked = np.array([(1.8, 0.7, -0.6), (1.2, 0.7, -0.6), (1.8, 0.9, -0.8), (-1.9, 0.8, -0.7)])
    assert object_shapes.at(asked, np.zeros(4, int)).tolist() == [True, False, True, False]
    assert object_shapes.at(np.array([(0.1, 0.1, 0.1), (0.1, 0.1, 0.8)]), np.ones(2, int)).tolist() == [True, False]


def test_no_tracks():
    nothing = Points(np.zeros((0, 3), np.float32), np.zeros(0, np.uint8), np.zeros(0, np.uint8))
    object_shapes = ObjectShapes(nothing, np.zeros(0, int), np.zeros((0, 3)), DEFAULT)
    assert object_shapes.at(nothing.xyz, np.zeros(0, int)).shape == (0,)
