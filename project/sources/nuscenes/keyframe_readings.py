"""Finds the readings of keyframes, and checks that flags, times and chains of records agree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

import numpy as np

from project.errors import UserError
from project.sources.nuscenes import schema
from project.sources.nuscenes.tables import Tables
from project.sources.plausible import TURN_S, check_unit

APART_US = 1_000_000
"""Readings of a keyframe are closer to it in time than this; in nuScenes they are within 50 ms."""


@dataclass
class KeyframeReadings:
    """The readings of a keyframe: one of the reference lidar, and one of each camera by channel."""

    sample: schema.SampleRow
    lidar: schema.ReadingRow
    cameras: dict[str, schema.ReadingRow] = field(default_factory=dict)


class _Linked(Protocol):
    token: str
    timestamp: int
    prev: str | None
    next: str | None


def keyframe_readings(
    tables: Tables, scene: schema.SceneRow, reference: str
) -> tuple[list[KeyframeReadings], list[str]]:
    """The readings of a scene's keyframes, in order of the reference lidar's time.

    Args:
        tables: the tables.
        scene: which scene.
        reference: channel of the lidar that defines keyframes.

    Returns:
        The keyframes, and sentences on records that are missing.

    Raises:
        UserError: readings are missing, or records contradict each other.
    """
    samples = tables.samples[scene.token]
    if not samples:
        raise UserError('sample.json: has no keyframe of this scene')
    by_keyframe: dict[str, dict[str, list[schema.ReadingRow]]] = {sample.token: {} for sample in samples}
    sweeps = []
    for reading in tables.readings[scene.token]:
        calibration = tables.calibrations[reading.calibrated_sensor_token]
        if calibration.channel == reference:
            sweeps.append(reading)
        if reading.is_key_frame and (calibration.modality == 'camera' or calibration.channel == reference):
            by_keyframe[reading.sample_token or ''].setdefault(calibration.channel, []).append(reading)
    sweeps.sort(key=lambda reading: reading.timestamp)
    check_unit(f'files of {reference} in sample_data.json', np.array([row.timestamp for row in sweeps]), TURN_S)
    keyframes = [_chosen(sample, by_keyframe[sample.token], reference) for sample in samples]
    keyframes.sort(key=lambda keyframe: keyframe.lidar.timestamp)
    notes = check_order('sample', 'keyframes', [keyframe.sample for keyframe in keyframes])
    notes += check_order('sample_data', f'files of {reference}', sweeps)
    return keyframes, notes


def check_order(table: str, what: str, records: Sequence[_Linked]) -> list[str]:
    """Check that records follow each other in time, and that their links agree.

    Args:
        table: name of their table.
        what: what they are.
        records: in the expected order.

    Returns:
        Sentences on missing records that links lead to.

    Raises:
        UserError: times are equal or in another order, or links contradict them.
    """
    for earlier, later in pairwise(records):
        if earlier.timestamp >= later.timestamp:
            raise UserError(
                f'{table}.json: {earlier.token} and {later.token}, which follow each other, have the timestamps '
                f'{earlier.timestamp} and {later.timestamp}; times have to increase'
            )
    place = {record.token: number for number, record in enumerate(records)}
    missing = set()
    for number, record in enumerate(records):
        for link, token, expected in (('prev', record.prev, number - 1), ('next', record.next, number + 1)):
            if not token:
                continue
            if token not in place:
                missing.add(token)
            elif place[token] != expected:
                raise UserError(
                    f'{table}.json: {link} of {record.token} leads to {token}, which does not follow it in time'
                )
    return [f'{table}.json: lacks {len(missing)} {what} that others name in prev or next'] if missing else []


def _chosen(
    sample: schema.SampleRow, readings: Mapping[str, Sequence[schema.ReadingRow]], reference: str
) -> KeyframeReadings:
    if reference not in readings:
        raise UserError(f'sample_data.json: has no {reference} of keyframe {sample.token}')
    lidar = _nearest(sample, reference, readings[reference], sample.timestamp)
    keyframe = KeyframeReadings(sample, lidar)
    for channel, images in readings.items():
        if channel != reference:
            keyframe.cameras[channel] = _nearest(sample, channel, images, lidar.timestamp)
    return keyframe


def _nearest(
    sample: schema.SampleRow, channel: str, readings: Sequence[schema.ReadingRow], time_us: int
) -> schema.ReadingRow:
    """The reading of a keyframe: if tables flag several, the one at the keyframe's time."""
    first, *others = sorted(readings, key=lambda reading: abs(reading.timestamp - time_us))
    if others and abs(others[0].timestamp - time_us) == abs(first.timestamp - time_us):
        raise UserError(
            f'sample_data.json: has two files of {channel} for keyframe {sample.token}, {first.token} and '
            f'{others[0].token}, equally far in time from it'
        )
    other = next((row for row in others if row.calibrated_sensor_token != first.calibrated_sensor_token), None)
    if other is not None:
        raise UserError(
            f'sample_data.json: has two files of {channel} for keyframe {sample.token}, {first.token} and '
            f'{other.token}, of two calibrations; are they of two sensors?'
        )
    if abs(first.timestamp - time_us) > APART_US:
        raise UserError(
            f'sample_data.json: {first.token}, the {channel} of keyframe {sample.token}, has the timestamp '
            f'{first.timestamp}, {abs(first.timestamp - time_us) / 1e6:.1f} s from that of the keyframe, {time_us}; '
            f'microseconds less than {APART_US / 1e6:.0f} s apart are expected'
        )
    return first
