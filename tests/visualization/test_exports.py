"""Frames in files of other programs, read back by the libraries of those programs."""

from io import BytesIO

import known_world as worlds
import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from project.geometry.rigid import rigid
from project.taxonomy import FREE
from project.visualization.exports.mcap_file import CELL, write_mcap
from project.visualization.exports.mesh_file import surface, write_mesh
from project.visualization.exports.moments import Pinhole
from project.visualization.exports.rerun_file import write_rrd

TIMES_US = (1_532_402_927_647_951, 1_532_402_928_147_847)


def frames(**changes) -> list:
    """Two frames of the known world; the car drives and turns."""
    poses = [rigid((1, 0, 0, 0.1 * k), (600 + 3 * k, 1600.0, 0.5)) for k in (0, 1)]
    return [
        worlds.frame(k, timestamp_us=time, global_from_grid=pose, **changes)
        for k, (time, pose) in enumerate(zip(TIMES_US, poses, strict=True))
    ]


def matrix(translation, rotation) -> np.ndarray:
    return rigid((rotation.w, rotation.x, rotation.y, rotation.z), (translation.x, translation.y, translation.z))


@pytest.fixture(scope='module')
def messages(tmp_path_factory) -> dict:
    """Messages of an MCAP file of the two frames with their times, by topic."""
    pytest.importorskip('foxglove')
    reader = pytest.importorskip('mcap.reader')
    decoder = pytest.importorskip('mcap_protobuf.decoder')
    path = tmp_path_factory.mktemp('mcap') / 'new' / 'a.mcap'
    write_mcap(path, frames())
    assert [file.name for file in path.parent.iterdir()] == ['a.mcap']
    found: dict = {}
    with open(path, 'rb') as file:
        readings = reader.make_reader(file, decoder_factories=[decoder.DecoderFactory()]).iter_decoded_messages()
        for schema, channel, message, content in readings:
            assert schema.name.startswith('foxglove.')
            found.setdefault(channel.topic, []).append((message.log_time, content))
    return found


def test_an_mcap_file_has_the_time_line(messages):
    assert set(messages) == {
        '/tf', '/truth', '/prediction', '/difference', '/points', '/boxes',
        '/CAM_FRONT/image', '/CAM_FRONT/calibration',
    }  # fmt: skip
    for of_topic in messages.values():
        assert [time for time, _ in of_topic] == [1000 * time for time in TIMES_US]
    (_, first), _ = messages['/truth']
    assert (first.timestamp.seconds, first.timestamp.nanos) == (TIMES_US[0] // 10**6, TIMES_US[0] % 10**6 * 1000)


def test_an_mcap_file_has_every_voxel_where_it_is(messages):
    for frame, *layers in zip(frames(), *(messages[f'/{name}'] for name in ('truth', 'prediction')), strict=True):
        for layer, (_, grid) in zip(frame.layers, layers, strict=False):
            cells = np.frombuffer(grid.data, CELL)
            names = ['red', 'green', 'blue', 'alpha', 'label']
            assert [(field.name, field.offset) for field in grid.fields] == [(n, CELL.fields[n][1]) for n in names]
            shown = np.flatnonzero(cells['alpha'])
            # As the schema says it: the corner of a cell, from the byte at which it starts.
            start = shown * CELL.itemsize
            x = start % grid.row_stride // grid.cell_stride * grid.cell_size.x
            y = start % grid.slice_stride // grid.row_stride * grid.cell_size.y
            z = start // grid.slice_stride * grid.cell_size.z
            origin = grid.pose.position
            corners = np.stack([x + origin.x, y + origin.y, z + origin.z], axis=1)
            indices, inside = frame.grid.voxel_indices(corners + 0.5)
            assert inside.all() and len(indices) == (layer.codes < FREE).sum()
            codes = layer.codes[tuple(indices.T)]
            assert (cells['label'][shown] == codes).all()
            colours = np.stack([cells[name][shown] for name in names[:3]], axis=1)
            assert (colours == layer.palette[codes]).all()


def test_an_mcap_file_has_poses_points_boxes_and_images(messages):
    for k, frame in enumerate(frames()):
        poses = {(t.parent_frame_id, t.child_frame_id): t for t in messages['/tf'][k][1].transforms}
        assert set(poses) == {('map', 'ego'), ('ego', 'CAM_FRONT')}
        pose = poses['map', 'ego']
        assert np.allclose(matrix(pose.translation, pose.rotation), frame.global_from_grid, atol=1e-9)
        points = np.frombuffer(messages['/points'][k][1].data, '<f4').reshape(-1, 3)
        assert (points == frame.points).all()
        (entity,) = messages['/boxes'][k][1].entities
        (cube,), (box,) = entity.cubes, frame.boxes
        assert np.allclose(matrix(cube.pose.position, cube.pose.orientation), box.grid_from_box)
        assert (cube.size.x, cube.size.y, cube.size.z) == box.size
        image = Image.open(BytesIO(messages['/CAM_FRONT/image'][k][1].data))
        assert image.size == (80, 60) and np.allclose(np.array(image), (255, 0, 255), atol=3)
        calibration = messages['/CAM_FRONT/calibration'][k][1]
        assert (calibration.width, calibration.height) == (80, 60)
        assert np.allclose(calibration.K, [40, 0, 39.5, 0, 40, 29.5, 0, 0, 1])


def test_projections_are_taken_apart(random_rigid, rng):
    for _ in range(20):
        camera_from_grid = random_rigid()
        fx, fy, cx, cy = rng.uniform(50, 900, 4)
        intrinsics = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
        camera = worlds.camera_ahead(np.zeros((60, 80, 3), np.uint8))
        object.__setattr__(camera, 'image_from_grid', intrinsics @ camera_from_grid[:3])
        found = Pinhole.of(camera)
        assert np.allclose(found.intrinsics, intrinsics)
        assert np.allclose(found.grid_from_camera @ camera_from_grid, np.eye(4), atol=1e-9)


def test_a_rerun_recording_has_what_went_in(tmp_path):
    rerun = pytest.importorskip('rerun')
    path = tmp_path / 'new' / 'a.rrd'
    write_rrd(path, frames())
    assert [file.name for file in path.parent.iterdir()] == ['a.rrd']
    recording = rerun.dataframe.load_recording(path)
    for k, frame in enumerate(frames()):
        view = recording.view(index='frame', contents='grid/**').filter_index_values([k])
        row = view.select().read_all().to_pydict()
        column = {name.removeprefix('/'): values[0] for name, values in row.items()}
        assert np.datetime64(column['time'], 'us').astype(int) == TIMES_US[k]
        for layer in frame.layers:
            indices = np.argwhere(layer.occupied())
            centres = np.array(column[f'grid/{layer.name}:PoseTranslation3D'])
            assert np.allclose(centres, frame.grid.centres(indices))
            colours = np.array(column[f'grid/{layer.name}:Color'], np.uint32)
            rgb = np.stack([colours >> shift & 255 for shift in (24, 16, 8)], axis=1)
            assert (rgb == layer.palette[layer.codes[tuple(indices.T)]]).all()
        assert np.allclose(column['grid:Translation3D'][0], frame.global_from_grid[:3, 3])
        assert (np.array(column['grid/points:Position3D']) == frame.points).all()
        assert np.allclose(column['grid/boxes:HalfSize3D'][0], np.divide(frame.boxes[0].size, 2))
        turn = Rotation.from_quat(column['grid/boxes:PoseRotationQuat'][0]).as_matrix()
        assert np.allclose(turn, frame.boxes[0].grid_from_box[:3, :3], atol=1e-6)
        assert np.allclose(column['grid/CAM_FRONT:PinholeProjection'][0], [40, 0, 0, 0, 40, 0, 40, 30, 1])


@pytest.mark.parametrize('kind', ['glb', 'ply'])
def test_meshes_are_closed_and_have_the_volume_and_colours_of_the_voxels(tmp_path, kind):
    trimesh = pytest.importorskip('trimesh')
    frame = worlds.frame(prediction=None)
    path = tmp_path / f'a.{kind}'
    write_mesh(path, frame)
    mesh = trimesh.load(path, force='mesh', process=False)
    vertices = np.array(mesh.vertices)
    if kind == 'glb':
        vertices = np.stack([vertices[:, 0], -vertices[:, 2], vertices[:, 1]], axis=1)
    occupied = frame.truth < FREE
    corners = np.argwhere(occupied)
    assert np.allclose(vertices.min(axis=0), frame.grid.minimum + corners.min(axis=0))
    assert np.allclose(vertices.max(axis=0), frame.grid.minimum + corners.max(axis=0) + 1)
    # By the theorem of Gauss; a side that is missing or looks inwards would change it.
    triangles = vertices[mesh.faces]
    assert np.linalg.det(triangles).sum() / 6 == pytest.approx(occupied.sum())
    # Just inside each side is a voxel of its colour.
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    inside = triangles.mean(axis=1) - 0.3 * normals
    indices, known = frame.grid.voxel_indices(inside)
    assert known.all()
    colours = np.array(mesh.visual.vertex_colors)[mesh.faces[:, 0], :3]
    assert (colours == frame.layers[0].palette[frame.truth[tuple(indices.T)]]).all()


def test_a_mesh_of_a_mask_and_of_nothing(tmp_path):
    frame = worlds.frame(prediction=None)
    whole, part = (len(surface(frame.grid, frame.layers[0], mask)[1]) for mask in (None, frame.mask('camera')))
    assert 0 < part < whole
    empty = worlds.frame(prediction=None, truth=np.full(worlds.GRID.shape, FREE, np.uint8))
    pytest.importorskip('trimesh')
    with pytest.raises(ValueError, match='no voxel is occupied'):
        write_mesh(tmp_path / 'a.ply', empty)
    assert list(tmp_path.iterdir()) == []
