"""What ``scene.json`` and ``lidars.yaml`` say of a lidar; ``docs/own_data.md`` describes it."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np

from project.errors import UserError
from project.sources.base import Lidar, PointLayout

LIDARS_FILE = 'lidars.yaml'
"""Beside the folder of tables of nuScenes, whose tables say nothing of how a lidar measures."""


class LidarPoints(msgspec.Struct, forbid_unknown_fields=True):
    """A lidar and its files, with fields as in :class:`project.sources.base.Lidar` and ``PointLayout``."""

    columns: tuple[str, ...] = ('x', 'y', 'z', 'intensity')
    dtype: str | tuple[str, ...] = 'float32'
    intensity: str = 'intensity'
    intensity_max: Annotated[float, msgspec.Meta(gt=0)] = 255.0
    time: str = 'time'
    time_unit_s: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    time_zero: Literal['stamp', 'epoch'] = 'stamp'
    period_s: Annotated[float, msgspec.Meta(gt=0)] | None = None
    stamp: Literal['start', 'middle', 'end'] = 'end'
    deskewed: bool = True
    turn_from_deg: float | None = None
    clockwise: bool = True


class _OfTables(LidarPoints):
    columns: tuple[str, ...] = PointLayout.columns


def lidar_of(name: str, fields: LidarPoints) -> Lidar:
    """The lidar that the fields describe.

    Raises:
        UserError: they cannot be; the message names the field.
    """
    types = (fields.dtype,) if isinstance(fields.dtype, str) else fields.dtype
    try:
        known = all(np.dtype(each).kind in 'fiu' for each in types)
    except TypeError:
        known = False
    if not known or (not isinstance(fields.dtype, str) and len(types) != len(fields.columns)):
        raise UserError(f'`lidars.{name}.dtype` is {fields.dtype}; it must be a type of numbers, or one a column')
    if fields.turn_from_deg is not None and fields.period_s is None:
        raise UserError(f'`lidars.{name}.turn_from_deg` needs `period_s`, the time of a turn')
    layout = PointLayout(
        fields.columns, fields.dtype, fields.intensity, fields.intensity_max, fields.time, fields.time_unit_s,
        fields.time_zero,
    )  # fmt: skip
    return Lidar(
        name, layout, fields.period_s, fields.stamp, fields.deskewed, fields.turn_from_deg, fields.clockwise
    )  # fmt: skip


def read_lidars(path: Path) -> dict[str, Lidar]:
    """The lidars that a ``lidars.yaml`` describes, by channel; none if there is no such file.

    Raises:
        UserError: the file is damaged, or has an unknown field or one that cannot be; the message names it.
    """
    if not path.is_file():
        return {}
    try:
        described = msgspec.yaml.decode(path.read_bytes(), type=dict[str, _OfTables])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f'{path}: {error}') from None
    try:
        return {name: lidar_of(name, fields) for name, fields in described.items()}
    except UserError as error:
        raise UserError(f'{path}: {error}') from None
