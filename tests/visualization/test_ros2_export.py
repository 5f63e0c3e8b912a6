"""Frames as ROS 2's messages, read back by the library that reads such files without ROS."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from test_exports import TIMES_US, frames, matrix

from project.taxonomy import FREE
from project.visualization.exports.moments import Pinhole
from project.visualization.exports.ros2_definitions import definition
from project.visualization.exports.ros2_file import POINT, VOXEL, write_ros2_mcap

KINDS = {
    '/tf': 'tf2_msgs/msg/TFMessage',
    '/truth': 'sensor_msgs/msg/PointCloud2',
    '/prediction': 'sensor_msgs/msg/PointCloud2',
    '/difference': 'sensor_msgs/msg/PointCloud2',
    '/points': 'sensor_msgs/msg/PointCloud2',
    '/boxes': 'visualization_msgs/msg/MarkerArray',
    '/CAM_FRONT/image/compressed': 'sensor_msgs/msg/CompressedImage',
    '/CAM_FRONT/camera_info': 'sensor_msgs/msg/CameraInfo',
}


@pytest.fixture(scope='module')
def messages(tmp_path_factory) -> dict:
    """Messages of the two frames, by topic."""
    reader = pytest.importorskip('mcap.reader', reason='mcap is not installed')
    decoder = pytest.importorskip('mcap_ros2.decoder', reason='mcap-ros2-support is not installed')
    path = tmp_path_factory.mktemp('ros2') / 'new' / 'a.mcap'
    write_ros2_mcap(path, frames())
    found: dict = {}
    with open(path, 'rb') as file:
        opened = reader.make_reader(file, decoder_factories=[decoder.DecoderFactory()])
        assert opened.get_header().profile == 'ros2'
        for schema, channel, message, content in opened.iter_decoded_messages():
            assert (schema.encoding, channel.message_encoding) == ('ros2msg', 'cdr')
            assert schema.name == KINDS[channel.topic]
            found.setdefault(channel.topic, []).append((message.log_time, content))
    return found


def cloud(message, dtype: np.dtype) -> np.ndarray:
    """The points of a cloud, by what its message says about its bytes."""
    kinds = {7: '<f4', 6: '<u4'}
    fields = [(field.name, kinds[field.datatype], field.offset) for field in message.fields]
    names, formats, offsets = map(list, zip(*fields, strict=True))
    stated = np.dtype({'names': names, 'formats': formats, 'offsets': offsets, 'itemsize': message.point_step})
    assert stated == dtype and message.row_step == message.width * message.point_step and message.height == 1
    return np.frombuffer(bytes(message.data), stated)


def test_every_topic_has_every_frame_at_its_time(messages):
    assert set(messages) == set(KINDS)
    for topic, of_topic in messages.items():
        assert [time for time, _ in of_topic] == [1000 * time for time in TIMES_US]
        for time, message in of_topic if topic not in ('/tf', '/boxes') else ():
            stamp = message.header.stamp
            assert 10**9 * stamp.sec + stamp.nanosec == time


def test_every_voxel_is_a_point_in_its_colour(messages):
    for number, frame in enumerate(frames()):
        for layer in frame.layers:
            _, message = messages[f'/{layer.name}'][number]
            points = cloud(message, VOXEL)
            indices, inside = frame.grid.voxel_indices(np.stack([points[axis] for axis in 'xyz'], axis=1))
            occupied = layer.occupied()
            assert inside.all() and len(points) == occupied.sum() and occupied[tuple(indices.T)].all()
            codes = layer.codes[tuple(indices.T)]
            assert (points['label'] == codes).all()
            colours = np.ascontiguousarray(points['rgb']).view('<u4')[:, None] >> np.array([16, 8, 0]) & 255
            assert (colours == layer.palette[codes]).all()
    assert message.header.frame_id == frame.grid.frame and layer.name == 'difference' and (codes < FREE).all()


def test_points_boxes_and_poses_are_those_of_the_frame(messages):
    for number, frame in enumerate(frames()):
        points = cloud(messages['/points'][number][1], POINT)
        np.testing.assert_array_equal(np.stack([points[axis] for axis in 'xyz'], axis=1), frame.points)
        cleared, *cubes = messages['/boxes'][number][1].markers
        assert cleared.action == 3 and len(cubes) == len(frame.boxes) > 0
        for cube, box in zip(cubes, frame.boxes, strict=True):
            assert (cube.type, cube.action, cube.header.frame_id) == (1, 0, frame.grid.frame)
            np.testing.assert_allclose(matrix(cube.pose.position, cube.pose.orientation), box.grid_from_box, atol=1e-12)
            np.testing.assert_allclose([cube.scale.x, cube.scale.y, cube.scale.z], box.size)
        poses = {each.child_frame_id: each for each in messages['/tf'][number][1].transforms}
        found = poses[frame.grid.frame].transform
        np.testing.assert_allclose(matrix(found.translation, found.rotation), frame.global_from_grid, atol=1e-9)
        assert poses[frame.grid.frame].header.frame_id == 'map'
        assert poses['CAM_FRONT'].header.frame_id == frame.grid.frame


def test_images_are_those_of_the_files_and_the_camera_projects_as_it_did(messages):
    (camera,) = frames()[0].cameras
    _, image = messages['/CAM_FRONT/image/compressed'][0]
    _, info = messages['/CAM_FRONT/camera_info'][0]
    assert Image.open(BytesIO(bytes(image.data))).size == (info.width, info.height)
    found = {each.child_frame_id: each for each in messages['/tf'][0][1].transforms}['CAM_FRONT'].transform
    camera_from_grid = np.linalg.inv(matrix(found.translation, found.rotation))
    point = Pinhole.of(camera).grid_from_camera @ [1.0, -0.5, 7.0, 1.0]
    u, v, depth = np.reshape(info.p, (3, 4)) @ camera_from_grid @ point
    expected = camera.image_from_grid @ point
    np.testing.assert_allclose([u / depth + 0.5, v / depth + 0.5], expected[:2] / expected[2])
    assert image.header.frame_id == info.header.frame_id == 'CAM_FRONT'


def test_a_definition_holds_what_it_names_and_nothing_twice():
    text = definition('visualization_msgs/MarkerArray')
    assert text.startswith('visualization_msgs/Marker[] markers\n')
    named = [line.removeprefix('MSG: ') for line in text.splitlines() if line.startswith('MSG: ')]
    assert len(named) == len(set(named)) and {'std_msgs/Header', 'visualization_msgs/MeshFile'} < set(named)
