import numpy as np

from project.sources.keyframes import choose_keyframes, images_at, keyframe_named
from project.sources.records import CameraRecord

SWEEPS_US = np.arange(21) * 100_000


def test_keyframes_are_about_as_far_apart_as_asked():
    shaken = SWEEPS_US + np.random.default_rng(0).integers(-8_000, 8_000, len(SWEEPS_US))
    assert choose_keyframes(shaken, np.zeros(0), 0.5).tolist() == [0, 5, 10, 15, 20]


def test_keyframes_are_where_boxes_are_known():
    boxes_us = np.array([210_000, 690_000, 1_200_000])
    assert choose_keyframes(SWEEPS_US, boxes_us, 0.5).tolist() == [2, 7, 12]
    assert choose_keyframes(SWEEPS_US, SWEEPS_US[3:18], 0.5).tolist() == [3, 8, 13]


def test_names_are_the_same_for_the_same_keyframe_only():
    first, again = keyframe_named('drive', 'top', 5), keyframe_named('drive', 'top', 5)
    assert first == again
    assert first.lidar_file != keyframe_named('other', 'top', 5).lidar_file
    assert len({first.scene_token, first.sample_token, first.lidar_token}) == 3


def test_the_nearest_image_of_each_camera_is_the_keyframes():
    def image(time):
        return CameraRecord(f'{time}.jpg', '', time, np.eye(3), np.eye(4), np.eye(4))

    images = {'front': [image(0), image(90_000), image(200_000)], 'back': [image(300_000)], 'none': []}
    assert {name: found.file for name, found in images_at(images, 100_000).items()} == {'front': '90000.jpg'}
