"""How frames are chosen."""

import pytest

from project.visualization.show import choose

SCENES = {'scene-0001': list('abcde'), 'scene-0002': list('fgh')}


@pytest.mark.parametrize(
    'scene, which, expected',
    [
        (None, 'all', ('scene-0001', [0, 1, 2, 3, 4])),
        (None, '3', ('scene-0001', [3])),
        (None, '-1', ('scene-0001', [4])),
        ('scene-0002', '1:', ('scene-0002', [1, 2])),
        (None, '0:5:2', ('scene-0001', [0, 2, 4])),
        (None, 'g', ('scene-0002', [1])),
        (None, 'h,f', ('scene-0002', [2, 0])),
    ],
)
def test_frames_by_place_or_token(scene, which, expected):
    assert choose(SCENES, scene, which) == expected


@pytest.mark.parametrize(
    'scene, which, message',
    [
        ('scene-0009', 'all', 'no scene scene-0009; there are 2: scene-0001, scene-0002'),
        (None, '5', 'scene-0001 has the frames 0-4'),
        (None, '4:4', 'scene-0001 has the frames 0-4'),
        ('scene-0001', 'f', 'f is neither 5, 0:10, 0:40:4, all, nor a token in scene-0001'),
    ],
)
def test_wrong_choices_say_what_there_is(scene, which, message):
    with pytest.raises(ValueError, match=message):
        choose(SCENES, scene, which)


def test_a_scene_goes_by_the_name_in_its_tables_too():
    assert choose({'db_0_7': ['a']}, 'db/0/7', 'all') == ('db_0_7', [0])
    with pytest.raises(ValueError, match='no scene //'):
        choose({'db_0_7': ['a']}, '//', 'all')
