"""Files of points that can be read and are wrong: cut off, or in other columns than they are taken for."""

import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from project.errors import UserError
from project.sources.base import Lidar, PointLayout
from project.sources.file_checks import check_files
from project.sources.intensity import check_intensity
from project.sources.nuscenes.source import NuScenesSource
from project.sources.point_labels import read_categories
from project.sources.read_points import read_returns


@pytest.fixture
def points(tiny_world) -> np.ndarray:
    file = next((tiny_world / 'samples/LIDAR_TOP').iterdir())
    return np.fromfile(file, np.float32).reshape(-1, 5)


def read(points: np.ndarray, file: Path, **layout) -> np.ndarray:
    file.write_bytes(np.ascontiguousarray(points).tobytes())
    return read_returns(file, Lidar('LIDAR_TOP', PointLayout(**layout)))


def shortened(points: np.ndarray) -> np.ndarray:
    """Part of the points whose size in bytes is that of points of any number of columns."""
    return points[: len(points) // 840 * 840]


@pytest.mark.parametrize('beside', [0.0, -1.0, 12.0])
def test_what_is_as_it_should_be_is_read(points, tmp_path, beside):
    np.testing.assert_array_equal(read(points, tmp_path / 'a.bin'), points)
    other = points.copy()
    other[:, 4] = beside
    np.testing.assert_array_equal(read(other, tmp_path / 'a.bin')[:, :4], points[:, :4])
    for value in (np.nan, np.inf, 1e30):
        invalid = points.copy()
        invalid[::3, :3] = value
        np.testing.assert_array_equal(read(invalid, tmp_path / 'a.bin'), invalid)


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (lambda x: x[:, :4], '4 columns of float32'),
        (lambda x: x[:, :4] * np.float32([1, 1, 1, 1 / 255]), '4 columns of float32'),
        (lambda x: x.astype(np.float64), '5 columns of float64'),
        (lambda x: x[:, :4].astype(np.float64), '4 columns of float64'),
        (lambda x: np.column_stack([x, x[:, 0] / 100]), '6 columns of float32'),
    ],
)
def test_other_columns_are_found_out(points, tmp_path, change, said):
    changed = change(shortened(points))
    with pytest.raises(UserError, match=rf'a\.bin: holds points of {said}.*name its columns'):
        read(changed, tmp_path / 'a.bin')
    names = ('x', 'y', 'z', 'intensity', 'ring', 'more')[: changed.shape[1]]
    returns = read(changed, tmp_path / 'a.bin', columns=names, dtype=changed.dtype.name)
    np.testing.assert_allclose(returns[:, :3], changed[:, :3])


def test_noise_is_refused(tmp_path, rng):
    noise = rng.integers(0, 256, (1000, 20), dtype=np.uint8)
    with pytest.raises(UserError, match=r'a\.bin: '):
        read(noise, tmp_path / 'a.bin')


def test_a_file_that_was_cut_at_a_whole_point_is_found_by_its_neighbours(tiny_world, tmp_path):
    scene = NuScenesSource(tiny_world).load('scene-0061')
    check_files(scene)
    for place, share in ((0, 0.5), (7, 0.5), (len(scene.sweep_files) - 1, 0.4), (5, 0.9)):
        whole = (tiny_world / scene.sweep_files[place]).read_bytes()
        cut = tmp_path / f'{place}.bin'
        cut.write_bytes(whole[: int(len(whole) * share) // 20 * 20 - 2000])
        files = [str(cut) if i == place else name for i, name in enumerate(scene.sweep_files)]
        with pytest.raises(UserError, match=rf'{place}\.bin: has \d+ bytes, \d+ % of what the sweeps before and after'):
            check_files(replace(scene, sweep_files=tuple(files)))


def test_sizes_that_vary_by_themselves_are_no_fault(tiny_world, tmp_path, rng):
    scene = NuScenesSource(tiny_world).load('scene-0061')
    files = []
    for place in range(12):
        files.append(str(tmp_path / f'{place}.bin'))
        Path(files[-1]).write_bytes(bytes(20 * int(rng.integers(700, 1300))))
    check_files(replace(scene, sweep_files=tuple(files)))


def test_columns_of_a_size_that_five_do_not_divide_are_found_out(points, tmp_path):
    with pytest.raises(UserError, match=r'a\.bin: holds points of 4 columns of float32, not of the 5'):
        read(points[:1001, :4], tmp_path / 'a.bin')
    with pytest.raises(UserError, match=r'a\.bin: its \d+ bytes are not points of 20 bytes'):
        read(points[:1001].view(np.uint8)[:, :19], tmp_path / 'a.bin')


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (lambda x: x / 255, r'its intensity goes to [\d.]+ and is taken to go to 255; .*--intensity_max 1'),
        (lambda x: x * 256, r'its intensity goes to [\d.e+]+ and is taken to go to 255; .*--intensity_max'),
        (lambda x: x * np.nan, 'its intensity is no number; .*--point_columns x y z unused ring'),
        (lambda x: x - 128, r'its intensity goes down to -\d+'),
    ],
)
def test_intensity_on_another_scale_is_told(tiny_world, tmp_path, change, said):
    scene = NuScenesSource(tiny_world).load('scene-0061')
    check_intensity(scene)
    files = []
    for number, name in enumerate(scene.sweep_files):
        points = np.fromfile(tiny_world / name, np.float32).reshape(-1, 5)
        points[:, 3] = change(points[:, 3])
        files.append(str(tmp_path / f'{number}.bin'))
        points.tofile(files[-1])
    changed = replace(scene, sweep_files=tuple(files))
    with pytest.raises(UserError, match=rf'0\.bin: {said}'):
        check_intensity(changed)
    in_whole = PointLayout(intensity_max=1.0)
    if 'max 1' in said:
        check_intensity(replace(changed, rig=replace(scene.rig, lidars=(Lidar('LIDAR_TOP', in_whole),))))


def test_images_of_another_size_than_their_calibration_are_named(tiny_world, tmp_path):
    scene = NuScenesSource(tiny_world).load('scene-0061')
    first, *others = scene.records
    camera = first.cameras['CAM_BACK']
    cv2.imwrite(str(tmp_path / 'half.jpg'), np.zeros((45, 80, 3), np.uint8))
    changed = replace(first, cameras=first.cameras | {'CAM_BACK': replace(camera, file=str(tmp_path / 'half.jpg'))})
    with pytest.raises(UserError, match=r'half\.jpg: has 80x45 pixels, and its calibration is of 160x90'):
        check_files(replace(scene, records=(changed, *others)))


def test_a_sweep_that_says_it_has_terabytes_is_not_read(tmp_path):
    (tmp_path / 'a.bin').touch()
    os.truncate(tmp_path / 'a.bin', 1 << 42)
    with pytest.raises(UserError, match=r'a\.bin: has 4,398,046,511,104 bytes'):
        read_returns(tmp_path / 'a.bin', Lidar('LIDAR_TOP', PointLayout()))


def test_labels_that_call_a_whole_sweep_noise_are_refused(tiny_world, tmp_path):
    scene = NuScenesSource(tiny_world).load('scene-0061')
    (sweep, *_) = np.flatnonzero([file is not None for file in scene.label_files])
    file = scene.dataroot / scene.label_files[sweep]
    count = file.stat().st_size
    changed = replace(scene, dataroot=tmp_path, label_files=(*scene.label_files[:sweep], 'noise.bin'))
    (tmp_path / 'noise.bin').write_bytes(bytes(count))
    with pytest.raises(UserError, match=r'noise\.bin: calls all of its \d+ points noise'):
        read_categories(changed, sweep, count)
