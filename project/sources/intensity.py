"""Whether the intensity of points is on the scale that it is taken to be on."""

import numpy as np

from project.errors import UserError
from project.sources.base import Scene
from project.sources.read_points import read_returns
from project.storage.mounts import at_hand

SWEEPS = 3
"""So many of each lidar are looked at."""


def check_intensity(scene: Scene) -> None:
    """Check the scale of what labels keep of intensity: from 0 to 255.

    Raises:
        UserError: it goes to 1 or beyond 255, or is no number; the message names a file and the option.
    """
    for number, lidar in enumerate(scene.rig.lidars):
        of_lidar = range(len(scene.sweep_files)) if scene.lidars is None else np.flatnonzero(scene.lidars == number)
        files = [scene.dataroot / scene.sweep_files[sweep] for sweep in of_lidar[:SWEEPS]]
        at_hand(*files)
        if not files or not all(file.is_file() for file in files):
            continue
        values = np.concatenate([read_returns(file, lidar)[:, 3] for file in files])
        values = values * (lidar.points.intensity_max / 255)
        wrong = _what_is_wrong(values[np.isfinite(values)], lidar.points.intensity_max)
        if wrong:
            raise UserError(f'{files[0]}: {wrong}')


def _what_is_wrong(values: np.ndarray, taken_to_go_to: float) -> str | None:
    """What is wrong with the intensities of some sweeps that are numbers."""
    without = 'name the column in another way, as in --point_columns x y z unused ring, and labels have none'
    if not len(values):
        return f'its intensity is no number; {without}'
    low, high = float(values.min()), float(values.max())
    if low < 0:
        return f'its intensity goes down to {low:.4g}; {without}'
    scale = f'its intensity goes to {high:.4g} and is taken to go to {taken_to_go_to:g}'
    if high > 1.01 * taken_to_go_to:
        return f'{scale}; name the highest that it can be: --intensity_max'
    if 0 < high <= min(1.0, taken_to_go_to / 100):
        return f'{scale}; is it from 0 to 1? then --intensity_max 1'
    return None
