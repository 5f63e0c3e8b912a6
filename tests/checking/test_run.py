"""Which scenes of a large source are checked."""

from types import SimpleNamespace

import pytest

from project.checking.run import sampled
from project.errors import UserError


class Source:
    """850 scenes of 40 keyframes; remembers which were loaded."""

    scene_names = tuple(f'scene-{i:04d}' for i in range(850))

    def __init__(self):
        self.loaded = []

    def load(self, name):
        self.loaded.append(name)
        if name == 'scene-0000':
            raise UserError('a table lacks it')
        return SimpleNamespace(name=name, keyframes=range(40))


def test_few_scenes_of_many_are_loaded_and_spread_evenly():
    source = Source()
    scenes, broken, complete = sampled(source, 800, lambda scene: True)
    assert len(scenes) == 20 and not complete and broken == {'scene-0000': 'a table lacks it'}
    assert len(source.loaded) == 21
    numbers = [int(scene.name[-4:]) for scene in scenes]
    assert numbers == sorted(numbers)
    # Every fifth of the data set has some.
    assert {number // 170 for number in numbers} == set(range(5))


def test_all_scenes():
    scenes, _, complete = sampled(Source(), 0, lambda scene: True)
    assert len(scenes) == 849 and complete


@pytest.mark.parametrize('keyframes', [0, 800])
def test_scenes_without_labels_are_passed_over(keyframes):
    scenes, _, complete = sampled(Source(), keyframes, lambda scene: scene.name < 'scene-0003')
    assert [scene.name for scene in scenes] == ['scene-0001', 'scene-0002'] and complete
