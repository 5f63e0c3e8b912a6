"""A synthetic world as files of nuScenes: sensor data in ``samples`` and ``sweeps``, and the tables."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from project.synthetic.lidar import SyntheticSweep
from project.synthetic.maps import driveable_and_walkable
from project.synthetic.nuscenes_tables import fixed_tables, write_tables
from project.synthetic.scene import SyntheticScene, build_scene
from project.synthetic.scene_rows import data_token, file_name, lidarseg_file, map_file, scene_rows
from project.synthetic.world_settings import FOLDERS, WorldSettings


def sensor_file(scene: SyntheticScene, channel: str, timestamp_us: int, keyframe: bool) -> str:
    """Path of a sensor reading's file below the world's folder."""
    return file_name(scene, channel, timestamp_us, keyframe)


def category_file(scene: SyntheticScene, channel: str, timestamp_us: int) -> str:
    """Path of the file with the category of each point of a sweep."""
    return lidarseg_file(scene, data_token(scene, channel, timestamp_us))


def columns(sweep: SyntheticSweep) -> np.ndarray:
    """(N, 5) float32, what a file of points holds."""
    return sweep.points


def describe(root: Path, settings: WorldSettings, counts: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    """Write maps and tables, and make folders that would be missing.

    Args:
        root: folder of the world.
        settings: what it contains.
        counts: for each keyframe of each scene, (A,) lidar points in each actor's box and (A,) visible share of each.
    """
    for name in FOLDERS:
        (root / name).mkdir(exist_ok=True)
    scenes = [build_scene(settings, index) for index in range(settings.scenes)]
    tables = fixed_tables(scenes[0].rig, settings.image_size[0])
    for scene in scenes:
        first = scene.index * settings.keyframes
        for name, rows in scene_rows(scene, list(counts[first : first + settings.keyframes])).items():
            tables.setdefault(name, []).extend(rows)
        Image.fromarray(driveable_and_walkable(scene)).save(root / map_file(scene), compress_level=1)
    write_tables(root / settings.version, tables)
