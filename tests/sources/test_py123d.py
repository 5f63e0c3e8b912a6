"""Logs of 123D become scenes: a stand-in for the library tells what it says, and where the library is, a real log."""

import itertools
from pathlib import Path
from types import SimpleNamespace as Stub

import numpy as np
import pytest

from project.geometry.rigid import poses
from project.sources import py123d, py123d_images
from project.sources.py123d import Py123dSource
from project.sources.returns import returns_of
from project.sources.taxonomies import taxonomy_of_boxes

REAL_LOG = Path(__file__).resolve().parents[3] / 'shared/real/argoverse2_log/log'
UP, DOWN = poses([0.5**0.5, 0, 0, 0.5**0.5], [1.0, 0, 2]), poses([0, 1, 0, 0], [1.5, 0, 2.5])
START_US = 1_600_000_000_000_000


def at(matrix):
    x, y, z = matrix[:3, 3]
    return Stub(transformation_matrix=matrix, x=x, y=y, z=z)


class Id(int):
    """A number with a name, as the library's enumerations have."""

    def __new__(cls, number, name):
        made = super().__new__(cls, number)
        made.name = name
        return made


class StubLog:
    """What is used of a SceneAPI: two merged lidars at 10 Hz, boxes of every sweep, a camera."""

    dataset, split, log_name = 'made', 'made_train', 'log'
    ids = Id(2, 'LIDAR_TOP'), Id(7, 'LIDAR_DOWN')
    times = tuple(Stub(time_us=START_US + 100_000 * step) for step in range(11))
    ego_points = np.random.default_rng(0).uniform(-20, 20, (40, 3))

    def get_lidar_metadatas(self):
        return {i: Stub(lidar_id=i, lidar_to_imu_se3=at(pose)) for i, pose in zip(self.ids, (UP, DOWN), strict=True)}

    def get_all_lidar_timestamps(self, lidar):
        return self.times if lidar == py123d.MERGED else ()

    def get_lidar_at_timestamp(self, time_us, lidar):
        start, end = Stub(time_us=time_us), Stub(time_us=time_us + 100_000)
        return Stub(
            xyz=self.ego_points, ids=np.arange(40) % 2 * 5 + 2, intensity=np.arange(40), timestamp=start,
            timestamps=time_us + np.arange(40) * 2500, timestamp_end=end,
        )  # fmt: skip

    def get_all_ego_state_se3_timestamps(self, include_history):
        return self.times

    def get_ego_state_se3_at_timestamp(self, time):
        car = Stub(length=4.0, width=2.0, height=1.5, center_to_imu_se3=at(poses([1, 0, 0, 0], [1.3, 0, 0.4])))
        way = (time.time_us - START_US) * 1e-5
        return Stub(metadata=car, imu_se3=at(poses([1, 0, 0, 0], [way, 0, 0])))

    get_all_box_detections_se3_timestamps = get_all_ego_state_se3_timestamps

    def get_box_detections_se3_at_timestamp(self, time):
        def box(track, name, default, x):
            attributes = Stub(label=Stub(name=name), default_label=Stub(name=default), track_token=track)
            array = np.array([x, 3, 1, 1, 0, 0, 0, 4, 2, 1.5])
            return Stub(
                attributes=attributes, center_se3=at(poses([1, 0, 0, 0], [x, 3, 1])), bounding_box_se3=Stub(array=array)
            )

        return [box('a', 'BUS', 'VEHICLE', 20 + 1e-5 * (time.time_us - START_US)), box('me', 'EGO', 'EGO', 0)]

    def get_camera_metadatas(self):
        matrix = np.array([[500.0, 0, 400], [0, 500, 300], [0, 0, 1]])
        front = Stub(intrinsics=Stub(camera_matrix=matrix), camera_to_imu_se3=at(UP), width=800, height=600)
        return {Id(0, 'PCAM_F0'): front}

    def get_all_camera_timestamps(self, camera_id):
        return [Stub(time_us=START_US + 20_000), Stub(time_us=START_US + 520_000)]


@pytest.fixture
def source(monkeypatch):
    monkeypatch.setattr(py123d, 'open_logs', lambda dataroot: {'log': StubLog()})
    monkeypatch.setattr(py123d, '_default_categories', lambda: ['vehicle', 'person'])
    py123d._cloud.cache_clear()
    return Py123dSource(Path('/nowhere'))


def test_what_the_source_says(source):
    assert (source.version, source.scene_names) == ('made', ('log',))
    assert source.splits == {'train': {'log'}, 'val': frozenset()}


def test_each_lidar_of_a_merged_cloud_has_its_own_sweeps_and_frame(source):
    scene = source.load('log')
    assert [lidar.name for lidar in scene.rig.lidars] == ['lidar_top', 'lidar_down'] and len(scene.sweep_files) == 22
    assert (scene.lidar(1).stamp, scene.lidar(1).period_s, scene.lidar(1).deskewed) == ('start', 0.1, True)
    for sweep, number in ((0, 0), (1, 1)):
        returns = returns_of(scene, sweep)
        pose = scene.ego_from_lidar[sweep]
        ego = returns.points[:, :3] @ pose[:3, :3].T + pose[:3, 3]
        np.testing.assert_allclose(ego, StubLog.ego_points[number::2], atol=1e-5)
        np.testing.assert_allclose(returns.times_s, (np.arange(40) * 2.5e-3)[number::2], atol=1e-9)
        np.testing.assert_array_equal(returns.points[:, 3], np.arange(40)[number::2])


def test_boxes_cameras_and_the_own_car(source):
    scene = source.load('log')
    assert [int(step) for step in scene.time_steps[scene.keyframe_sweeps]] == [0, 2, 4]
    assert len(scene.annotations.times_us) == 11 and scene.tracks.present.tolist() == [[True]] * 3
    np.testing.assert_allclose(scene.tracks.global_from_box[1, 0, :3, 3], [25, 3, 1])
    np.testing.assert_allclose(scene.tracks.sizes[1, 0], [4, 2, 1.5])
    assert scene.records[0].boxes.categories == ('vehicle',)
    assert [list(record.cameras) for record in scene.records] == [['pcam_f0'], ['pcam_f0'], []]
    np.testing.assert_allclose(scene.records[1].cameras['pcam_f0'].global_from_ego[0, 3], 5.2)
    np.testing.assert_allclose(scene.rig.own_box, [[-0.8, -1.1, -0.45], [3.4, 1.1, 1.25]])


def test_a_taxonomy_of_ones_own_has_the_categories_of_the_data_set(source, monkeypatch):
    source.native, source.taxonomy = True, taxonomy_of_boxes(['bus'])
    assert source.load('log').records[0].boxes.categories == ('bus',)
    source.taxonomy = taxonomy_of_boxes(['car'])
    with pytest.raises(ValueError, match='the log log: the taxonomy has no category bus'):
        source.load('log')


def test_numbers_that_cannot_be_are_refused(source, monkeypatch):
    matrix = np.array([[500.0, 0, 4000], [0, 500, 300], [0, 0, 1]])
    camera = Stub(intrinsics=Stub(camera_matrix=matrix), camera_to_imu_se3=at(UP), width=800, height=600)
    with monkeypatch.context() as patch:
        patch.setattr(StubLog, 'get_camera_metadatas', lambda self: {Id(0, 'PCAM_F0'): camera})
        with pytest.raises(ValueError, match='the log log: pcam_f0.*principal point'):
            source.load('log')
    # The time stamps of another library, which may be nanoseconds.
    monkeypatch.setattr(StubLog, 'times', tuple(Stub(time_us=START_US + 100_000_000 * step) for step in range(11)))
    with pytest.raises(ValueError, match='the log log: the timestamps of sweeps of lidar_top .* may be nanosec'):
        source.load('log')


def test_images_become_files_where_the_index_says_that_they_are(source, monkeypatch, tmp_path):
    cv2 = pytest.importorskip('cv2')
    rng = np.random.default_rng(1)
    # A picture of large flat patches: JPEG keeps them.
    taken = {
        time: np.kron(rng.integers(0, 256, (6, 8, 3)), np.ones((100, 100, 1))).astype(np.uint8)
        for time in (START_US + 20_000, START_US + 520_000)
    }
    monkeypatch.setattr(
        StubLog, 'get_camera_at_timestamp', lambda self, time, name: Stub(rgb_image=taken[time]), raising=False
    )
    camera = StubLog().get_camera_metadatas()[0]
    camera.is_undistorted, camera.distortion = False, None
    monkeypatch.setattr(StubLog, 'get_camera_metadatas', lambda self: {Id(0, 'PCAM_F0'): camera})
    monkeypatch.setattr(py123d_images, 'open_logs', lambda dataroot: {'log': StubLog()})
    source.dataroot = tmp_path
    scene = source.load('log')
    assert py123d_images.write_images(scene) == 2 and py123d_images.write_images(scene) == 0
    for record in scene.records[:2]:
        stated = record.cameras['pcam_f0']
        image = cv2.imread(str(tmp_path / stated.file))[..., ::-1]
        np.testing.assert_allclose(image[50::100, 50::100], taken[stated.timestamp_us][50::100, 50::100], atol=4)
    # With lens distortion, what a pixel shows moves to where the camera matrix alone says that it is.
    camera.distortion = Stub(array=np.array([-0.2, 0, 0, 0, 0]))
    (tmp_path / stated.file).unlink()
    assert py123d_images.write_images(scene) == 1
    straight = cv2.imread(str(tmp_path / stated.file))[..., ::-1]
    x, y = -0.5, 0.3
    bent = 1 - 0.2 * (x * x + y * y)
    seen = taken[stated.timestamp_us][round(300 + 500 * y * bent), round(400 + 500 * x * bent)]
    np.testing.assert_allclose(straight[round(300 + 500 * y), round(400 + 500 * x)], seen, atol=4)
    monkeypatch.setattr(StubLog, 'get_camera_at_timestamp', lambda self, time, name: None)
    (tmp_path / stated.file).unlink()
    with pytest.raises(ValueError, match='the log log has no image of pcam_f0 at .* us; convert it with images'):
        py123d_images.write_images(scene)


def test_a_label_mapping_is_for_the_librarys_categories(source, tmp_path):
    mapping = tmp_path / 'own.yaml'
    mapping.write_text('learning_map: {noise: 0, vehicle: 1, person: 0, ground: 3, static: 4}\n')
    taxonomy = Py123dSource(Path('/nowhere'), label_mapping=mapping).load('log').taxonomy
    assert taxonomy.label_of[:5].tolist() == [0, 1, 0, 3, 4] and taxonomy.symmetric == {1}


def test_without_the_library_it_says_how_to_get_it(tmp_path):
    try:
        import py123d as _  # noqa: F401
    except ImportError:
        py123d.open_logs.cache_clear()
        with pytest.raises(ImportError, match='pip install py123d'):
            Py123dSource(tmp_path)


@pytest.mark.skipif(not REAL_LOG.is_dir(), reason='needs the real Argoverse 2 log')
def test_a_real_log(tmp_path):
    """Converted by the library's own parser and writer; it has no map and no images."""
    parser = pytest.importorskip('py123d.parser.av2.av2_sensor_parser')
    from py123d.api.scene.arrow.arrow_log_writer import ArrowLogWriter, SyncConfig
    from py123d.api.scene.arrow.utils.log_writer_config import LogWriterConfig
    from py123d.datatypes import LogMetadata

    source_log = tmp_path / 'sensor/val/log'
    source_log.parent.mkdir(parents=True)
    source_log.symlink_to(REAL_LOG)
    log = parser.Av2SensorLogParser(source_log, 'av2-sensor_val', 'nearest')
    options = LogWriterConfig(
        force_log_conversion=True, async_conversion=True, lidar_store_option='binary', lidar_codec='ipc_zstd'
    )
    order = SyncConfig(reference_column='lidar.lidar_merged.timestamp_us', direction='forward')
    writer = ArrowLogWriter(options, tmp_path / 'logs', tmp_path / 'sensors', sync_config=order)
    writer.reset(LogMetadata('av2-sensor', 'av2-sensor_val', 'log', None, map_metadata=None))
    parts = (
        log._iter_ego_states_se3(parser.AV2_SENSOR_EGO_STATE_SE3_METADATA),
        log._iter_box_detections_se3(parser.AV2_SENSOR_BOX_DETECTIONS_SE3_METADATA),
        log._iter_lidar_merged(parser._get_av2_lidar_merged_metadata(source_log)),
    )
    for modality in itertools.chain(*parts):
        writer.write_async(modality)
    writer.close()
    py123d.open_logs.cache_clear()
    scene = Py123dSource(tmp_path, keyframe_every_s=0.1).load('log')
    assert scene.time_steps.tolist() == [0, 0, 2, 2] and scene.tracks.present.sum(axis=1).tolist() == [81, 81]
    sizes = [len(returns_of(scene, sweep).points) for sweep in range(4)]
    assert sizes[0] + sizes[1] == 99_229
    for sweep in range(4):
        # Both look from 25 degrees down to 15 degrees up, in their own frames.
        xyz = returns_of(scene, sweep).points[:, :3]
        elevations = np.degrees(np.arctan2(xyz[:, 2], np.hypot(xyz[:, 0], xyz[:, 1])))
        np.testing.assert_allclose(np.percentile(elevations, [1, 99]), [-25, 15], atol=0.5)
