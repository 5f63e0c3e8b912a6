"""Writes a made world in nuScenes format."""

import shutil
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

from project.geometry.rigid import apply, inverse
from project.synthetic import rig
from project.synthetic.camera import render
from project.synthetic.lidar import scan
from project.synthetic.maps import driveable_and_walkable
from project.synthetic.records import (
    data_token,
    file_name,
    keyframe_time,
    lidarseg_file,
    map_file,
    scene_rows,
    sweep_time,
)  # fmt: skip
from project.synthetic.scene import Scene, build_scene
from project.synthetic.settings import FOLDERS, SETTINGS_FILE, WorldSettings
from project.synthetic.tables import fixed_tables, write_tables
from project.workers import worker_pool

JPEG_QUALITY = 90


def make_world(
    root: Path, settings: WorldSettings, workers: int = 1, progress: Callable[[int, int], None] | None = None
) -> None:
    """Write a world: the same settings give the same bytes, whatever the number of workers.

    The tables come last, so that a world that was broken off does not load.

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
    _make_folders(root, settings)
    counts = []
    for done, result in enumerate(_run(jobs, workers), start=1):
        counts.append(result)
        if progress is not None:
            progress(done, len(jobs))
    tables = fixed_tables()
    for row in tables['calibrated_sensor']:
        _scale_intrinsic(row, settings.image_size[0])
    for index in range(settings.scenes):
        scene = build_scene(settings, index)
        first = index * settings.keyframes
        for name, rows in scene_rows(scene, counts[first : first + settings.keyframes]).items():
            tables.setdefault(name, []).extend(rows)
        Image.fromarray(driveable_and_walkable(scene)).save(root / map_file(scene), compress_level=1)
    settings.save(root)
    write_tables(root / settings.version, tables)


def move_world(source: Path, target: Path) -> None:
    """Put a world into a folder, in place of the one that is there; everything else in that folder stays.

    Tables are taken away first and come last, so that half a world does not load.
    """
    if (target / SETTINGS_FILE).is_file():
        for name in (WorldSettings.load(target).version, *FOLDERS, SETTINGS_FILE):
            path = target / name
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
    for name in (*FOLDERS, SETTINGS_FILE, WorldSettings.load(source).version):
        (source / name).rename(target / name)


def _run(jobs: list[tuple], workers: int) -> Iterator:
    if workers <= 1:
        yield from map(_write_keyframe, *zip(*jobs, strict=True))
        return
    # Processes are started afresh: a forked one may inherit locks of the caller's threads.
    with worker_pool(workers, get_context('spawn')) as pool:
        for future in [pool.submit(_write_keyframe, *job) for job in jobs]:
            yield future.result()


def _make_folders(root: Path, settings: WorldSettings) -> None:
    for part in ('samples', 'sweeps'):
        (root / part / 'LIDAR_TOP').mkdir(parents=True, exist_ok=True)
    for channel in rig.CAMERAS if settings.images else ():
        (root / 'samples' / channel).mkdir(parents=True, exist_ok=True)
    (root / 'lidarseg' / settings.version).mkdir(parents=True, exist_ok=True)
    (root / 'maps').mkdir(exist_ok=True)


def _write_keyframe(root: Path, settings: WorldSettings, index: int, keyframe: int) -> tuple:
    """Write the readings of a keyframe and the sweeps since the one before.

    Returns:
        (A,) number of lidar points in each actor's box, and (A,) visible share of each actor.
    """
    scene = build_scene(settings, index)
    last = keyframe * rig.SWEEPS_PER_KEYFRAME
    for sweep in range(max(0, last - rig.SWEEPS_PER_KEYFRAME + 1), last + 1):
        points, raw, visible = scan(scene, sweep_time(sweep), sweep)
        stamp = scene.timestamp_us(sweep_time(sweep))
        points.tofile(root / file_name(scene, 'LIDAR_TOP', stamp, sweep == last))
    raw.tofile(root / lidarseg_file(scene, data_token(scene, 'LIDAR_TOP', stamp)))
    for channel, camera in rig.CAMERAS.items() if settings.images else ():
        time = keyframe_time(keyframe) + camera.delay_us * 1e-6
        path = root / file_name(scene, channel, scene.timestamp_us(time), True)
        Image.fromarray(render(scene, channel, time).image).save(path, quality=JPEG_QUALITY)
    return _points_in_boxes(scene, keyframe_time(keyframe), points[:, :3]), visible


def _points_in_boxes(scene: Scene, time: float, points: np.ndarray) -> np.ndarray:
    """(A,) number of points (N, 3), lidar frame, in the box of each actor, its faces included."""
    counts = np.zeros(len(scene.actors), np.int64)
    global_from_lidar = scene.global_from_ego(time) @ rig.EGO_FROM_LIDAR
    for index in scene.present(time):
        width, length, height = scene.shape(index).size
        local = apply(inverse(scene.global_from_box(index, time)) @ global_from_lidar, points.astype(np.float64))
        counts[index] = (np.abs(local) <= np.array([length, width, height]) / 2).all(axis=1).sum()
    return counts


def _scale_intrinsic(row: dict, width_px: int) -> None:
    scale = width_px / rig.FULL_WIDTH_PX
    row['camera_intrinsic'] = [[value * scale for value in line] for line in row['camera_intrinsic'][:2]] + row[
        'camera_intrinsic'
    ][2:]
