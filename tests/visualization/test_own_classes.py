"""Pictures and pages of labels with classes of their own, and of cameras with any names."""

import gzip
from dataclasses import replace

import numpy as np
from known_world import CAR, GRID, camera_ahead, frame

from project.label_set import LabelSet
from project.visualization.frame import CameraImage
from project.visualization.render import picture
from project.visualization.render.camera_images import around
from project.visualization.render.picture import frame_picture
from project.visualization.web.page import encode_frame, manifest

NAMES = ('noise', '', '', '', 'tram', *[''] * 6, 'street', *[''] * 4, 'hedge', 'free')
OWN = LabelSet(NAMES, ((255, 0, 255), *((label, 200, 100) for label in range(1, 18))))


def test_the_legend_names_the_classes_that_there_are(monkeypatch):
    shown = []

    def legend(entries, width_px, size_px):
        shown.extend(entries)
        return np.zeros((1, width_px, 3), np.uint8)

    monkeypatch.setattr(picture, 'legend', legend)
    frame_picture(frame(labels=OWN, prediction=None), width_px=400)
    assert shown == [
        ('tram', (4, 200, 100)),
        ('street', (11, 200, 100)),
        ('hedge', (16, 200, 100)),
        ('noise', (255, 0, 255)),
    ]


def test_voxels_have_their_colours():
    layer = frame(labels=OWN, prediction=None).layers[0]
    assert layer.names[CAR] == 'tram' and layer.palette[CAR].tolist() == [4, 200, 100]


def test_the_page_has_the_names_and_scores_of_the_classes():
    shown = frame(labels=OWN)
    layers = manifest({'scene-0001': []}, shown)['layers']
    assert layers['truth']['names'][4] == 'tram' and layers['truth']['names'][1] == ''
    assert b'"tram"' in gzip.decompress(encode_frame(shown))


def test_cameras_surround_a_picture_whatever_they_are_called():
    ahead = camera_ahead(np.zeros((6, 8, 3), np.uint8))

    def looking(name: str, degrees: float) -> CameraImage:
        cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        turned_back = np.array([[cosine, sine, 0, 0], [-sine, cosine, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
        return replace(ahead, name=name, image_from_grid=ahead.image_from_grid @ turned_back)

    cameras = [
        looking('c', -55),
        looking('f', -110),
        looking('a', 55),
        looking('b', 0),
        looking('d', 110),
        looking('e', 180),
    ]
    above, below = around(GRID, cameras)
    assert [camera.name for camera in above] == ['a', 'b', 'c']
    assert [camera.name for camera in below] == ['d', 'e', 'f']
