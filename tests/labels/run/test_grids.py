"""Labels on the user's own grid: --grid."""

from pathlib import Path

import numpy as np
import pytest
from handmade import make_scene

from project.commands import occ_convert
from project.formats import voxels
from project.grid import VoxelGrid
from project.labels.aggregation.aggregate import aggregate
from project.labels.pipeline import label_scene
from project.labels.run.settings import Settings
from project.labels.voxelization.voting import vote_keyframe

GRID = VoxelGrid.from_range('ego', (-8, -8, -1, 24, 10, 5), 0.5)


def test_labels_are_voted_on_the_grid_that_is_asked_for(tmp_path):
    scene = make_scene(tmp_path)
    label_scene(scene, Settings(tmp_path / 'labels', grid=GRID, refine_poses=False, remove_ghosts=False))
    for k, keyframe in enumerate(scene.keyframes):
        labels = voxels.read(tmp_path / 'labels' / voxels.path(keyframe))
        voted = vote_keyframe(scene, aggregate(scene), k, 10, GRID)
        assert labels.grid == GRID and len(labels.indices) > 40
        np.testing.assert_array_equal(labels.indices, voted.indices)
        np.testing.assert_array_equal(labels.classes, voted.classes)


def settings_of(*words: str) -> Settings:
    return occ_convert.make_settings(occ_convert.parse_arguments([*words]), Path('labels'))


def test_the_option():
    settings = settings_of('--grid', '-8', '-8', '-1', '24', '10', '5', '0.5', 'ego')
    assert settings.grid == GRID and settings.grid_of('occ3d') != GRID
    assert settings_of().grid == voxels.GRID


@pytest.mark.parametrize(
    'words, message',
    [
        ('-8 -8 -1 24 10 5 0.7 ego', 'not a whole number of'),
        ('-8 -8 -1 24 10 5 0.5 camera', 'lidar or ego'),
        ('-8 -8 -1 24 10 five 0.5 ego', 'five'),
        ('-51.2 -51.2 -5 51.2 51.2 3 0.02 lidar', 'at most'),
        ('-51.2 -51.2 -5 51.2 51.2 3 0 lidar', '--grid'),
        ('-51.2 -51.2 -5 51.2 51.2 3 nan lidar', '--grid'),
        ('-70 -70 -5 70 70 3 0.5 lidar', 'reaches 99 m far'),
        ('-8 -8 -1 24 10 15 0.5 lidar', '15 m high'),
        ('-8 -8 -1 24 10 5 0.5 ego --format occ3d', 'for the format voxels'),
        ('-8 -8 -1 24 10 5.5 0.1 ego --masks', '64 layers'),
    ],
)
def test_grids_that_cannot_be_labelled_are_refused(words, message):
    with pytest.raises(ValueError, match=message):
        settings_of('--grid', *words.split())
