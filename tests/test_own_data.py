"""The page on own recordings: its program and its commands work, on a tiny recording made here."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from project.formats import infos, voxels

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / 'docs/own_data.md').read_text()
RNG = np.random.default_rng(0)
LIDAR_HEIGHT = 1.73


def record(drive: Path, sweeps: int = 11) -> None:
    """A drive of a second, 5 m/s straight on, past a wall and a car that drives the other way."""
    for folder in ('velodyne_points/data', 'image_02/data'):
        (drive / folder).mkdir(parents=True)
    times = 1_300_000_000 + np.arange(sweeps) * 0.1
    with open(drive / 'boxes.csv', 'w', newline='') as file:
        table = csv.writer(file)
        table.writerow(['frame', 'track', 'category', 'x', 'y', 'z', 'length', 'width', 'height', 'yaw'])
        for at in range(sweeps):
            way = np.array([0.5 * at + 0.8, 0, LIDAR_HEIGHT])
            car = np.array([20 - 0.8 * at, 3.5, 0.8])
            ring = np.repeat(np.geomspace(4, 45, 24), 250)
            angle = RNG.uniform(-np.pi, np.pi, len(ring))
            ground = np.column_stack([ring * np.cos(angle), ring * np.sin(angle), np.zeros(len(ring))])
            ground[:, 0] += way[0]
            wall = np.column_stack([RNG.uniform(-20, 50, 3000), np.full(3000, -9.0), RNG.uniform(0, 4, 3000)])
            body = car + RNG.uniform(-1, 1, (600, 3)) * [2.0, 0.9, 0.6]
            points = np.concatenate([ground[ground[:, 1] > -9], wall, body]) - way
            points = np.column_stack([points, RNG.uniform(0, 1, len(points))])
            points.astype(np.float32).tofile(drive / f'velodyne_points/data/{at:010d}.bin')
            table.writerow([at, 't0', 'Car', *(car - way), 4.2, 2.0, 1.6, np.pi])
            image = RNG.integers(0, 255, (96, 320, 3), np.uint8)
            cv2.imwrite(str(drive / f'image_02/data/{at:010d}.jpg'), image)
    for folder in ('velodyne_points', 'image_02'):
        (drive / folder / 'timestamps.txt').write_text('\n'.join(f'{time:.6f}' for time in times))
    poses = np.tile(np.eye(4)[:3], (sweeps, 1, 1))
    poses[:, 0, 3] = 0.5 * np.arange(sweeps)
    np.savetxt(drive / 'poses.txt', poses.reshape(sweeps, 12))


def placed(text: str, root: Path) -> str:
    """A text whose folders below ``/data`` lie elsewhere."""
    return re.sub(r'(?<!\w)/data/', f'{root}/', text)


def block(language: str, start: str = '') -> str:
    """The first block of the page in a language that starts in a certain way."""
    return re.search(rf'```{language}\n({start}.*?)```', PAGE, re.DOTALL)[1]


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Path:
    """A folder with what the page's program makes of two drives."""
    root = tmp_path_factory.mktemp('own')
    for name in ('drive_0001', 'drive_0002'):
        record(root / 'kitti' / name)
    program = placed(block('python'), root)
    subprocess.run([sys.executable, '-c', program], check=True)
    return root


def run(data: Path, command: str) -> None:
    environment = {**os.environ, 'CUDA_VISIBLE_DEVICES': '', 'PYTHON': sys.executable}
    command = re.sub(r'\bpython ', f'{sys.executable} ', placed(command, data))
    done = subprocess.run(command, shell=True, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f'{command}\n{done.stdout[-2000:]}{done.stderr[-4000:]}'


def test_labels_of_the_pages_recording(data):
    labels, *_ = block('bash').splitlines()
    run(data, labels)
    made = sorted((data / 'my_car/occupancy/voxels/drive_0001').glob('*.npz'))
    assert len(made) == 3
    index = infos.read(data / 'my_car/occupancy/nuscenes_infos_train.pkl')
    assert [name for name in index['metainfo']['label_names'] if name] == ['noise', 'Car', 'ground', 'static', 'free']
    assert [info['scene_name'] for info in index['data_list']] == ['drive_0001'] * 3
    first = voxels.read(data / 'my_car/occupancy' / index['data_list'][0]['occupancy_path']['voxels'])
    # The car 20 m ahead, 3.5 m to the left; the lidar is 0.8 m ahead of the middle of the car that carries it.
    centres = np.array(first.grid.minimum) + (first.indices + 0.5) * first.grid.voxel_size
    car = centres[first.classes == 1]
    np.testing.assert_allclose((car.min(axis=0) + car.max(axis=0)) / 2, [19.2, 3.5, 0.8 - LIDAR_HEIGHT], atol=0.3)
    ground = centres[first.classes == 2]
    assert np.abs(ground[:, 2] + LIDAR_HEIGHT).max() < 0.4 and len(ground) > 5000


@pytest.mark.slow
def test_training_and_pictures_of_the_pages_recording(data):
    commands = [line for line in block('bash').splitlines() if line]
    for command in commands:
        run(data, command)
    assert (data / 'trained/epoch_1.pth').is_file() and (data / 'trained/page.html').is_file()


def test_the_pages_taxonomy_can_be_read(tmp_path):
    from project.sources.taxonomies import read_taxonomy

    (tmp_path / 'taxonomy.yaml').write_text(block('yaml', 'movable:'))
    taxonomy = read_taxonomy(tmp_path / 'taxonomy.yaml')
    assert taxonomy.categories[1:5] == ('Car', 'Van', 'Cyclist', 'Misc') and 'vegetation' in taxonomy.labels
