"""Tables broken at random: what is wrong is refused by name or counted as left out, or nothing changes."""

import numpy as np
import pytest
from breaking import ROUNDS, SEED, alike, break_table, facts
from table_edits import VERSION, copied

from project.errors import FIXABLE, what_is_wrong
from project.sources.nuscenes.source import NuScenesSource

LOOKED_UP = {'log', 'map', 'visibility', 'attribute'}
"""Tables without which labels are the same."""

MEANT = {
    ('sensor', 'channel'), ('scene', 'name'), ('instance', 'category_token'), ('sample_data', 'ego_pose_token'),
    ('category', 'name'), ('sample_annotation', 'sample_token'),
}  # fmt: skip
"""Fields whose other values make another recording that can be: a camera of another name, an object of another kind,
an object that is seen once, at another keyframe."""


NEGLIGIBLE = 1e-4
"""Metres, or entries of a rotation: digits lost from a pose that move the car by less are no break."""


def load(world) -> tuple[dict, list[str]]:
    """All scenes, or what is said of them by name; and what is said to be left out."""
    source = NuScenesSource(world)
    scenes, said = {}, list(source.left_out)
    for name in source.scene_names:
        try:
            scenes[name] = source.load(name)
            said += scenes[name].left_out
        except FIXABLE as error:
            said.append(f'{name}: {what_is_wrong(error)}')
    return scenes, said


def try_once(world, whole: dict, seed: int) -> str:
    """Break a world, load it, and say what became of it; an outcome that must not be fails."""
    rng = np.random.default_rng(seed)
    tables = sorted(path for path in (world / VERSION).glob('*.json') if path.stem not in LOOKED_UP)
    table = tables[int(rng.integers(len(tables)))]
    content = table.read_bytes()
    field, what = break_table(table, rng)
    what = f'seed {seed}: {what}'
    try:
        scenes, said = load(world)
    except FIXABLE as error:
        sentence = what_is_wrong(error)
        assert table.stem in sentence or 'scene' in sentence, f'{what}: {sentence}'
        assert '\n' not in sentence and len(sentence) < 1000, f'{what}: {sentence}'
        return 'refused'
    except Exception as error:
        raise AssertionError(f'{what}: {type(error).__name__}: {error}') from error
    finally:
        table.write_bytes(content)
    files = [
        scene.dataroot / name for scene in scenes.values() for name in (*scene.sweep_files, *scene.label_files) if name
    ]
    # A file that is not there fails its scene by name, once it is read.
    said += [str(file) for file in files if not file.is_file()]
    changed = {name for name in whole if name not in scenes or not alike(facts(scenes[name]), whole[name], NEGLIGIBLE)}
    assert said or not changed or (table.stem, field) in MEANT, f'{what}: {sorted(changed)} changed without a word'
    return 'told' if said else 'the same'


def fuzz(tiny_world, tmp_path, seeds) -> None:
    world = copied(tiny_world, tmp_path / 'world')
    whole = {name: facts(scene) for name, scene in load(world)[0].items()}
    outcomes = [try_once(world, whole, seed) for seed in seeds]
    assert {'refused', 'told', 'the same'} <= set(outcomes)


def test_broken_tables(tiny_world, tmp_path):
    fuzz(tiny_world, tmp_path, range(60))


@pytest.mark.slow
def test_broken_tables_for_long(tiny_world, tmp_path):
    fuzz(tiny_world, tmp_path, range(10_000 + SEED * ROUNDS, 10_000 + (SEED + 1) * ROUNDS))
