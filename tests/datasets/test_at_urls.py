"""The dataset reads a URL as it reads a folder."""

import pytest
from keyframes import CHANNELS, write_data
from test_pipeline import INDEX, LIDAR_GRID, VOXELS, one_car

from project.datasets import NuScenesOccupancyDataset

pytest.importorskip('fsspec', reason="needs the extra 'cloud'")


def keyframes(data_root: str, **options) -> list[dict]:
    steps = [dict(type='LoadSurroundImages'), dict(type='LoadOccupancyLabels', grid=LIDAR_GRID)]
    dataset = NuScenesOccupancyDataset(
        INDEX, data_root, cameras=CHANNELS, pipeline=steps, serialize_data=False, **options
    )
    return [dataset[index] for index in range(len(dataset))]


@pytest.mark.parametrize('prefix', [{}, {'data_prefix': {'occupancy': 'memory://data/occupancy'}}])
def test_keyframes_are_those_of_a_folder(tmp_path, prefix, monkeypatch):
    import fsspec

    from project.storage import mounts

    monkeypatch.setattr(mounts, '_MIRRORS', {})
    write_data(tmp_path / 'data', {'voxels': one_car(VOXELS['voxels'].GRID)})
    fsspec.filesystem('memory').put(str(tmp_path / 'data'), '/', recursive=True)
    local = keyframes(str(tmp_path / 'data'))
    remote = keyframes('memory://data', cache=str(tmp_path / 'cache'), cache_size='1GB', **prefix)
    assert len(local) == len(remote) > 0
    for mine, theirs in zip(local, remote, strict=True):
        assert all((a == b).all() for a, b in zip(mine['imgs'], theirs['imgs'], strict=True))
        assert (mine['gt_occupancy'] == theirs['gt_occupancy']).all()
        assert (mine['lidar2img'] == theirs['lidar2img']).all()
    assert len(list((tmp_path / 'cache').rglob('*.png'))) == len(list((tmp_path / 'data').rglob('*.png')))
