"""Writes a synthetic world."""

import shutil
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType

import numpy as np
from PIL import Image

from project.geometry.rigid import apply, inverse
from project.synthetic import folder_files, nuscenes_files
from project.synthetic.lidar import scan
from project.synthetic.rasterizer import render
from project.synthetic.scene import SyntheticScene, build_scene
from project.synthetic.scene_rows import keyframe_time
from project.synthetic.world_settings import SETTINGS_FILE, WorldSettings
from project.workers import worker_pool

JPEG_QUALITY = 90

_FILES: dict[str, ModuleType] = {'nuscenes': nuscenes_files, 'folder': folder_files}
"""The module that names and describes the files of each layout."""


def make_world(
    root: Path, settings: WorldSettings, workers: int = 1, progress: Callable[[int, int], None] | None = None
) -> None:
    """Write a world: the same settings give the same bytes, whatever the number of workers.

    What describes the files comes last, so that a world that was broken off does not load.

    Args:
        root: folder to write into; made when missing. Files of another world in it are not removed.
        settings: what the world contains.
        workers: processes to share the keyframes among.
        progress: called with (keyframes done, keyframes in all) after each.
    """
    root = Path(root)
    jobs = [
        (root, settings, index, keyframe) for index in range(settings.scenes) for keyframe in range(settings.keyframes)
    ]
    root.mkdir(parents=True, exist_ok=True)
    counts = []
    for done, result in enumerate(_run(jobs, workers), start=1):
        counts.append(result)
        if progress is not None:
            progress(done, len(jobs))
    settings.save(root)
    _FILES[settings.layout].describe(root, settings, counts)


def move_world(source: Path, target: Path) -> None:
    """Put a world into a folder, in place of the one that is there; everything else in that folder stays.

    What a world cannot be loaded without is taken away first and comes last.
    """
    if (target / SETTINGS_FILE).is_file():
        for name in (*WorldSettings.load(target).parts, SETTINGS_FILE):
            path = target / name
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
    for name in (SETTINGS_FILE, *reversed(WorldSettings.load(source).parts)):
        (source / name).rename(target / name)


def _run(jobs: list[tuple], workers: int) -> Iterator:
    if workers <= 1:
        yield from map(_write_keyframe, *zip(*jobs, strict=True))
        return
    # Processes are started afresh: a forked one may inherit locks of the caller's threads.
    with worker_pool(workers, get_context('spawn')) as pool:
        for future in [pool.submit(_write_keyframe, *job) for job in jobs]:
            yield future.result()


def _write_keyframe(root: Path, settings: WorldSettings, index: int, keyframe: int) -> tuple:
    """Write the readings of a keyframe and the sweeps since the one before.

    Returns:
        (A,) number of points of the first lidar in each actor's box, and (A,) visible share of each actor.
    """
    scene, layout = build_scene(settings, index), _FILES[settings.layout]
    counts = []
    for channel, lidar in scene.rig.lidars.items():
        for number in lidar.sweeps_until(keyframe):
            sweep, stamp = scan(scene, channel, number), scene.timestamp_us(lidar.time(number))
            is_key = lidar.is_keyframe(number)
            layout.columns(sweep).tofile(_made(root, layout.sensor_file(scene, channel, stamp, is_key)))
            if is_key:
                sweep.raw.tofile(_made(root, layout.category_file(scene, channel, stamp)))
            if is_key and lidar is scene.rig.reference:
                counts = [_points_in_boxes(scene, keyframe_time(keyframe), sweep.points[:, :3]), sweep.visible]
    for channel, camera in scene.rig.cameras.items() if settings.images else ():
        time = keyframe_time(keyframe) + camera.delay_us * 1e-6
        path = _made(root, layout.sensor_file(scene, channel, scene.timestamp_us(time), True))
        Image.fromarray(render(scene, channel, time).image).save(path, quality=JPEG_QUALITY)
    return tuple(counts)


def _made(root: Path, file: str) -> Path:
    """The path of a file, in a folder that there is."""
    path = root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _points_in_boxes(scene: SyntheticScene, time: float, points: np.ndarray) -> np.ndarray:
    """(A,) number of points (N, 3), lidar frame, in the box of each actor, its faces included."""
    counts = np.zeros(len(scene.actors), np.int64)
    global_from_lidar = scene.global_from_ego(time) @ scene.rig.reference.ego_from_lidar
    for index in scene.present(time):
        width, length, height = scene.shape(index).size
        local = apply(inverse(scene.global_from_box(index, time)) @ global_from_lidar, points.astype(np.float64))
        counts[index] = (np.abs(local) <= np.array([length, width, height]) / 2).all(axis=1).sum()
    return counts
