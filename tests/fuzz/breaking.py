"""Ways to break files and records at random, the same for the same seed."""

import dataclasses
import json
import os
from pathlib import Path

import numpy as np

ROUNDS = int(os.environ.get('FUZZ_ROUNDS', '2000'))
"""Rounds of each long test; ``FUZZ_ROUNDS`` and ``FUZZ_SEED`` of the environment ask for others."""

SEED = int(os.environ.get('FUZZ_SEED', '0'))

WILD = (
    None, '', 'x', -1, 0, 1e30, 1 << 70, float('nan'), float('inf'), [], {}, [1], True, '\ud800', [[[[]]]], 'a/../b',
)  # fmt: skip
"""Values that no field of a table should have, or few of them."""


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """The content cut short, emptied, with bits flipped, with a stretch missing, overwritten or twice, or noise."""
    damage, place = rng.integers(7), int(rng.integers(max(len(content), 1)))
    if damage == 0:
        return content[:place]
    if damage == 1:
        flipped = np.frombuffer(content, np.uint8).copy()
        flipped[rng.integers(len(content), size=3)] ^= np.uint8(1) << rng.integers(8, size=3, dtype=np.uint8)
        return flipped.tobytes()
    if damage == 2:
        return rng.bytes(int(rng.integers(0, 300)))
    if damage == 3:
        return content[:place] + content[max(place - int(rng.integers(1, 200)), 0) :]
    noise = b'' if damage == 4 else rng.bytes(int(rng.integers(1, 8)))
    return content[:place] + noise + content[place + max(len(noise), int(rng.integers(1, 40))) :]


def break_record(records: list[dict], rng: np.random.Generator) -> tuple[str, str]:
    """Break one record of a table in place; says which field, empty for the record as a whole, and what was done."""
    number = int(rng.integers(len(records)))
    record, action = records[number], rng.choice(['drop', 'twice', 'token', 'field', 'field', 'field'])
    if action == 'drop':
        records.pop(number)
        return '', f'record {number} is gone'
    if action == 'twice':
        records.insert(int(rng.integers(number, len(records))) + 1, dict(record))
        return '', f'record {number} is there twice'
    links = [name for name in record if name.endswith('token') or name in ('prev', 'next')]
    name = str(rng.choice(links if action == 'token' else list(record)))
    was = record[name]
    if action == 'token':
        other = records[int(rng.integers(len(records)))]
        record[name] = ['0' * 32, record['token'], '', other.get(name, '')][int(rng.integers(4))]
    elif rng.random() < 0.2:
        del record[name]
    else:
        values = (*WILD, [was], str(was), [*was, 0] if isinstance(was, list) else was)
        record[name] = values[int(rng.integers(len(values)))]
    return name, f'record {number}: {name} was {str(was)[:40]} and is {str(record.get(name, "gone"))[:40]}'


def break_table(path: Path, rng: np.random.Generator) -> tuple[str, str]:
    """Break a table in one place; says which field of a record, empty for the rest, and what was done."""
    content = path.read_bytes()
    records = json.loads(content)
    if records and rng.random() < 0.75:
        field, what = break_record(records, rng)
        path.write_text(json.dumps(records))
        return field, f'{path.name}: {what}'
    if rng.random() < 0.2:
        path.unlink()
        return '', f'{path.name}: missing'
    path.write_bytes(damaged(content, rng))
    return '', f'{path.name}: damaged bytes'


NOT_IN_LABELS = {'dataroot', 'num_lidar_pts', 'num_radar_pts', 'token', 'file'}
"""What scenes hold beside what their labels depend on: counts of returns, tokens and files of images."""


def facts(value) -> object:
    """All that labels depend on, in a form that :func:`alike` compares."""
    if dataclasses.is_dataclass(value):
        fields = {field.name for field in dataclasses.fields(value)} - NOT_IN_LABELS
        return {name: facts(getattr(value, name)) for name in sorted(fields)}
    if isinstance(value, dict):
        return {key: facts(each) for key, each in value.items()}
    if isinstance(value, (tuple, list)):
        return [facts(each) for each in value]
    return value


def alike(one, other, negligible: float = 0.0) -> bool:
    """Whether facts are the same, floating-point numbers of arrays up to what is negligible."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        same = one.shape == other.shape and one.dtype == other.dtype
        close = negligible and one.dtype.kind == 'f'
        return same and bool(
            np.allclose(one, other, 0, negligible, True) if close else one.tobytes() == other.tobytes()
        )
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(each, other[key], negligible) for key, each in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(alike(*pair, negligible) for pair in zip(one, other, strict=True))
    return type(one) is type(other) and one == other
