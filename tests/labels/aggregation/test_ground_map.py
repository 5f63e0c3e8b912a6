import numpy as np
import pytest

from project.labels.aggregation import ground_map as module
from project.labels.aggregation.ground_map import ground_map
from project.labels.aggregation.sweeps import Points
from project.labels.aggregation.tiles import tile_map_around
from project.labels.config import DEFAULT, TileConfig

GROUND = range(24, 28)


def labelled_along(path, rng, n=3000):
    xyz = path[rng.integers(len(path), size=n)] + rng.normal(0, 8, (n, 3)) * (1, 1, 0.05)
    raw = rng.integers(GROUND.start, GROUND.stop, n).astype(np.uint8)
    return Points(xyz.astype(np.float32), raw, np.zeros(n, np.uint8))


@pytest.mark.parametrize('seed', range(3))
def test_a_map_in_parts_is_that_of_the_whole(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    path = np.column_stack([np.linspace(0, 200, 20), 60 * np.sin(np.linspace(0, 3, 20)), np.zeros(20)])
    tile_map = tile_map_around(path, TileConfig(reach_m=30.0))
    labelled = labelled_along(path, rng)
    whole = ground_map(tile_map, labelled, GROUND, DEFAULT.ground)
    monkeypatch.setattr(module, 'WINDOW_TILES', 3)
    parts = ground_map(tile_map, labelled, GROUND, DEFAULT.ground)
    assert np.isfinite(whole.distances).mean() > 0.05
    # Sums of the smoothing may be rounded in another order.
    np.testing.assert_allclose(parts.distances, whole.distances, rtol=1e-6)
    assert (parts.heights != whole.heights).mean() < 1e-3
