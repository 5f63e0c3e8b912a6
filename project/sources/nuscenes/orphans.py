"""Assigns readings without a keyframe to scenes, by the chain of readings or by their time."""

from collections.abc import Mapping, Sequence

from project.sources.nuscenes.schema import ReadingRow, SampleRow


def attach(
    orphans: Sequence[ReadingRow], readings: Mapping[str, list[ReadingRow]], samples: Mapping[str, Sequence[SampleRow]]
) -> list[str]:
    """Add readings to the scenes that they belong to.

    A reading named by ``prev`` or ``next`` of a scene's reading belongs to that scene, and so do those that follow it.
    Any other reading belongs to the scene during which it was taken, if there is exactly one.

    Args:
        orphans: readings whose ``sample_token`` leads to no keyframe.
        readings: those of each scene, by its token; grows.
        samples: the keyframes of each scene, by its token.

    Returns:
        Sentences on readings that are left out.
    """
    at_keyframes = [reading.token for reading in orphans if reading.is_key_frame]
    left = {reading.token: reading for reading in orphans}
    for found in readings.values():
        for reading in found:  # grows meanwhile
            for token in (reading.prev, reading.next):
                if token in left:
                    found.append(_as_sweep(left.pop(token)))
    spans = {
        scene: (min(row.timestamp for row in rows), max(row.timestamp for row in rows))
        for scene, rows in samples.items()
        if rows
    }
    for reading in list(left.values()):
        during = [scene for scene, (first, last) in spans.items() if first <= reading.timestamp <= last]
        if len(during) == 1:
            readings[during[0]].append(_as_sweep(left.pop(reading.token)))
    said = []
    if at_keyframes:
        said.append(
            f'sample_data.json: {len(at_keyframes)} files of sensors are of keyframes that sample.json does not have, '
            f'such as that of token {at_keyframes[0]}'
        )
    if left:
        said.append(
            f'sample_data.json: {len(left)} files of sensors are left out whose sample_token leads to no keyframe and '
            f'which belong to no scene by chain or time, such as that of token {next(iter(left))}'
        )
    return said


def _as_sweep(reading: ReadingRow) -> ReadingRow:
    """A keyframe's reading must name its keyframe; otherwise it counts as a sweep between keyframes."""
    reading.is_key_frame = False
    return reading
