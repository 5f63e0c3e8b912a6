"""Lidar points, boxes and camera images of keyframes, from a nuScenes folder."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from nuscenes import NuScenes
from nuscenes.utils.geometry_utils import transform_matrix
from pyquaternion import Quaternion

from project.formats import Keyframe
from project.taxonomy import LEARNING_MAP, RAW_NAMES
from project.visualization.frame import Box, CameraImage, Frame


class Dataroot:
    """A nuScenes folder.

    Args:
        root: folder with ``v1.0-*``, ``samples`` and so on.
        version: which ``v1.0-*``; may be left out where there is only one.

    Attributes:
        scenes: keyframes of each scene, in order of time.

    Raises:
        ValueError: the folder is no nuScenes folder, or the version has to be said.
    """

    def __init__(self, root: str | Path, version: str | None = None):
        versions = sorted(path.name for path in Path(root).glob('v1.0-*') if path.is_dir())
        if version is None and len(versions) != 1:
            found = f'holds {", ".join(versions)}; choose one with --version' if versions else 'holds no folder v1.0-*'
            raise ValueError(f'{root}: {found}')
        if version is not None and version not in versions:
            raise ValueError(f'{root}: holds no {version} (but {", ".join(versions) or "no version at all"})')
        self.tables = NuScenes(version or versions[0], str(root), verbose=False)
        self.root = Path(root)
        self.scenes = {scene['name']: self._keyframes(scene) for scene in self.tables.scene}

    def complete(self, frame: Frame) -> Frame:
        """The frame with lidar points, boxes and camera images of its keyframe, as far as their files are there."""
        data = self.tables.get('sample', frame.token)['data']
        lidar = self.tables.get('sample_data', data['LIDAR_TOP'])
        global_from_grid = self._global_from_ego(lidar)
        if frame.grid.frame == 'lidar':
            global_from_grid = global_from_grid @ self._ego_from_sensor(lidar)
        grid_from_global = np.linalg.inv(global_from_grid)
        names = [name for name in data if name.startswith('CAM_')]
        cameras = [self._camera(data[name], grid_from_global) for name in names]
        return replace(
            frame,
            points=self._points(lidar, grid_from_global),
            boxes=[self._box(token, grid_from_global) for token in self.tables.get('sample', frame.token)['anns']],
            cameras=[camera for camera in cameras if camera.image.exists()],
        )

    def _keyframes(self, scene: dict) -> list[Keyframe]:
        keyframes, token = [], scene['first_sample_token']
        while token:
            sample = self.tables.get('sample', token)
            lidar = self.tables.get('sample_data', sample['data']['LIDAR_TOP'])
            file = Path(lidar['filename']).name
            keyframes.append(Keyframe(scene['name'], scene['token'], token, lidar['token'], file))
            token = sample['next']
        return keyframes

    def _camera(self, token: str, grid_from_global: np.ndarray) -> CameraImage:
        record = self.tables.get('sample_data', token)
        intrinsic = self.tables.get('calibrated_sensor', record['calibrated_sensor_token'])['camera_intrinsic']
        grid_from_camera = grid_from_global @ self._global_from_ego(record) @ self._ego_from_sensor(record)
        image_from_grid = np.array(intrinsic) @ np.linalg.inv(grid_from_camera)[:3]
        return CameraImage(record['channel'], self.root / record['filename'], image_from_grid)

    def _points(self, lidar: dict, grid_from_global: np.ndarray) -> np.ndarray | None:
        file = self.root / lidar['filename']
        if not file.exists():
            return None
        points = np.fromfile(file, np.float32).reshape(-1, 5)[:, :3]
        # Returns within a metre are no-returns and hits on the car itself.
        points = points[np.linalg.norm(points, axis=1) > 1]
        pose = grid_from_global @ self._global_from_ego(lidar) @ self._ego_from_sensor(lidar)
        return (points @ pose[:3, :3].T + pose[:3, 3]).astype(np.float32)

    def _box(self, token: str, grid_from_global: np.ndarray) -> Box:
        annotation = self.tables.get('sample_annotation', token)
        width, length, height = annotation['size']
        pose = transform_matrix(annotation['translation'], Quaternion(annotation['rotation']))
        name = annotation['category_name']
        label = LEARNING_MAP[RAW_NAMES.index(name)] if name in RAW_NAMES else 0
        return Box(grid_from_global @ pose, (length, width, height), label)

    def _global_from_ego(self, record: dict) -> np.ndarray:
        return _pose(self.tables.get('ego_pose', record['ego_pose_token']))

    def _ego_from_sensor(self, record: dict) -> np.ndarray:
        return _pose(self.tables.get('calibrated_sensor', record['calibrated_sensor_token']))


def _pose(record: dict) -> np.ndarray:
    return transform_matrix(record['translation'], Quaternion(record['rotation']))
