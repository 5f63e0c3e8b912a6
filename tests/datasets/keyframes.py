"""A small data set for these tests: an index, images and labels of two scenes, made from random poses."""

from pathlib import Path

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from project.formats import FORMATS, Keyframe, OccupancyLabels, infos
from project.sources.base import Rig

CHANNELS = ('CAM_FRONT', 'CAM_BACK')
SIZE = (90, 160)
COUNTS = {'scene-0001': 3, 'scene-0002': 2}


def pose(rng: np.random.Generator, reach: float) -> np.ndarray:
    """(4, 4) random rigid transform."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_quat(rng.normal(size=4)).as_matrix()
    matrix[:3, 3] = rng.uniform(-reach, reach, 3)
    return matrix


def make_records(seed: int = 0) -> dict[str, list[infos.KeyframeRecord]]:
    """Records of all keyframes by scene; every pose is random."""
    rng = np.random.default_rng(seed)
    intrinsics = np.array([[120.0, 0, 81], [0, 125, 44], [0, 0, 1]])
    boxes = infos.BoxRecords((), (), np.zeros((0, 4, 4)), np.zeros((0, 3)), np.zeros(0, int), np.zeros(0, int))
    records = {}
    for scene, count in COUNTS.items():
        records[scene] = []
        for k in range(count):
            cameras = {
                name: infos.CameraRecord(
                    f'images/{name}/{scene}_{k}.png', f'{name}{k}', k, intrinsics, pose(rng, 2), pose(rng, 500)
                )
                for name in CHANNELS
            }
            keyframe = Keyframe(scene, f'{scene}-token', f'{scene}-{k}', f'lidar-{k}', f'{scene}_{k}.pcd.bin')
            record = infos.KeyframeRecord(keyframe, 500_000 * k, pose(rng, 2), pose(rng, 500), cameras, boxes)
            records[scene].append(record)
    return records


def write_data(root: Path, labels: dict[str, OccupancyLabels] | None = None) -> dict[str, list[infos.KeyframeRecord]]:
    """Write index, images (each of one grey level) and labels below a root, and return the records."""
    records = make_records()
    entries = [entry for scene in records.values() for entry in infos.scene_infos(scene)]
    infos.write(
        root / 'occupancy' / 'nuscenes_infos_train.pkl',
        entries,
        infos.metainfo('v1.0-mini', rig=Rig.nuscenes(CHANNELS)),
    )
    for number, entry in enumerate(entries):
        for c, image in enumerate(entry['images'].values()):
            file = root / image['img_path']
            file.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(file), np.full((*SIZE, 3), grey(number, c), np.uint8))
    for scene in records.values():
        for record in scene:
            for name, content in (labels or {}).items():
                FORMATS[name].write(root / 'occupancy' / FORMATS[name].path(record.keyframe), content)
    return records


def grey(keyframe: int, camera: int) -> int:
    """Grey level of an image."""
    return 20 * keyframe + 100 * camera
