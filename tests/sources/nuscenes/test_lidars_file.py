"""``lidars.yaml`` beside the tables says how lidars measure."""

from pathlib import Path

import pytest

from project.errors import UserError
from project.sources.base import Lidar, PointLayout
from project.sources.nuscenes.source import NuScenesSource


@pytest.fixture
def dataroot(tmp_path: Path, tiny_world: Path) -> Path:
    for part in tiny_world.iterdir():
        (tmp_path / part.name).symlink_to(part)
    return tmp_path


def describe(dataroot: Path, text: str) -> Path:
    (dataroot / 'lidars.yaml').write_text(text)
    return dataroot


def lidars(source: NuScenesSource) -> tuple[Lidar, ...]:
    return source.load('scene-0061').rig.lidars


def test_without_the_file_lidars_are_those_of_nuscenes(dataroot):
    assert lidars(NuScenesSource(dataroot)) == (Lidar('LIDAR_TOP'),)


def test_what_the_file_says_counts(dataroot):
    describe(dataroot, 'LIDAR_TOP: {deskewed: false, period_s: 0.1, stamp: middle, turn_from_deg: 180}')
    (lidar,) = lidars(NuScenesSource(dataroot))
    assert lidar == Lidar('LIDAR_TOP', PointLayout(), 0.1, 'middle', False, 180.0, True)
    describe(dataroot, 'LIDAR_TOP: {columns: [x, y, z, intensity], intensity_max: 1}')
    assert lidars(NuScenesSource(dataroot))[0].points == PointLayout(('x', 'y', 'z', 'intensity'), intensity_max=1)
    asked = PointLayout(('x', 'y', 'z', 'ring'))
    assert lidars(NuScenesSource(dataroot, points=asked))[0].points == asked


@pytest.mark.parametrize(
    'text,message',
    [
        ('LIDAR_TOP: {turn_from: 180}', 'unknown field `turn_from`'),
        ('LIDAR_TOP: {turn_from_deg: 180}', 'needs `period_s`'),
        ('LIDAR_TOP: {dtype: float31}', 'float31'),
        ('LIDAR_REAR: {deskewed: false}', 'the tables have no lidar LIDAR_REAR; they have LIDAR_TOP'),
        ('[LIDAR_TOP', 'lidars.yaml: '),
    ],
)
def test_what_is_wrong_is_named(dataroot, text, message):
    with pytest.raises(UserError, match=message) as error:
        NuScenesSource(describe(dataroot, text))
    assert 'lidars.yaml: ' in str(error.value)
