"""Verdict, JSON and page of a check whose figures are known."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from project.checking.config import CheckConfig, TrustConfig
from project.checking.content import content_of
from project.checking.findings import Finding
from project.checking.ground_checks import Layers
from project.checking.ray_checks import AGREES, EARLY, HOLE, Verdicts
from project.checking.report_page import write_page
from project.checking.scene_check import KeyframeReport, SceneReport
from project.checking.tally import Tally
from project.checking.verdict import judge, worst_keyframes
from project.label_set import LabelSet

NOTHING = np.zeros(0, np.int32)


def tally(agree: int, early: int = 0, holes: int = 0) -> Tally:
    """Rays of 15 m, of which so many come to each end, by voxels that are cars."""
    outcomes = np.repeat([AGREES, EARLY, HOLE], [agree, early, holes]).astype(np.uint8)
    n = len(outcomes)
    counted = Tally()
    verdicts = Verdicts(outcomes, np.full(n, -0.105, np.float32), np.zeros(n, np.int64), np.zeros(n, np.int64))
    counted.add_rays(verdicts, np.full(n, 15.0), np.arange(n) % 2 == 0, np.array([4, 17], np.uint8))
    return counted


def keyframe(index: int, *counts: int, findings=()) -> KeyframeReport:
    return KeyframeReport(
        index,
        f'token{index}',
        3,
        tally(*counts),
        0.01,
        float('nan'),
        Layers(0.02, 0.21),
        list(findings),
        NOTHING,
        NOTHING,
    )


def scene_of(counted: Tally) -> SceneReport:
    return SceneReport('scene', keyframes=[replace(keyframe(0, 1), tally=counted)])


def test_a_tally_counts():
    counted = tally(80, 15, 5)
    assert counted.summary['agree'] == 80 and counted.summary['early'] == 15 and counted.summary['holes'] == 5
    assert counted.by_range == {'10-20 m': {'rays': 100, 'agree': 80, 'early': 15, 'holes': 5}}
    assert list(counted.by_class(LabelSet())) == ['car']
    assert counted.depth_error_m == pytest.approx(0.105, abs=0.006)
    assert counted.summary['objects agree'] == 80
    counted += tally(20)
    assert counted.rays == 120 and counted.summary['agree'] == pytest.approx(100 * 100 / 120)


@pytest.mark.parametrize(
    ('counts', 'code', 'words'),
    [
        ([(95, 3, 2)] * 3, 0, 'TRUSTED: 95.0 % of rays agree, 3.0 % are stopped early; 3 of 3 keyframes are good'),
        ([(80, 8, 12)] * 3, 1, 'NOT TRUSTED: only 80.0 % of rays agree'),
        ([(87, 13, 0)] * 3, 1, '13.0 % of rays are stopped early'),
        ([(95, 3, 2)] * 17 + [(60, 20, 20)] * 3, 1, 'NOT TRUSTED: 3 of 20 keyframes are bad'),
    ],
)
def test_the_verdict(counts, code, words):
    scene = SceneReport('scene', keyframes=[keyframe(i, *each) for i, each in enumerate(counts)])
    verdict = judge([scene], TrustConfig())
    assert verdict.exit_code == code and words in verdict.sentence


def test_objects_that_rays_miss_are_not_trusted():
    counted = tally(9000)
    assert judge([scene_of(counted)], TrustConfig()).exit_code == 0
    counted.objects[:] = 1000, 600
    verdict = judge([scene_of(counted)], TrustConfig())
    assert verdict.exit_code == 1 and 'only 60.0 % of rays into boxes agree' in verdict.sentence
    counted.objects[:] = 999, 600
    assert judge([scene_of(counted)], TrustConfig()).exit_code == 0


def test_without_rays_there_is_no_verdict():
    verdict = judge([SceneReport('broken', error='a file is missing')], TrustConfig())
    assert verdict.exit_code == 2 and verdict.sentence == 'NOT JUDGED: broken: a file is missing'
    assert 'no keyframe has both' in judge([SceneReport('empty')], TrustConfig()).sentence


def test_the_worst_keyframes_are_of_many_scenes():
    bad = SceneReport('bad', keyframes=[keyframe(i, 50, 50) for i in range(9)])
    others = [SceneReport(f'good{n}', keyframes=[keyframe(0, 90 + n, 10 - n)]) for n in range(4)]
    worst = [(scene.name, each.index) for scene, each in worst_keyframes([bad, *others], 6)]
    assert worst == [('bad', 0), ('bad', 1), ('good0', 0), ('good1', 0), ('good2', 0), ('good3', 0)]


def report(tmp_path, pictures=()):
    finding = Finding('layers', 'ground <b> lies in layers', 1)
    scene = SceneReport('scene-x', keyframes=[keyframe(0, 95, 5), keyframe(1, 40, 60, findings=[finding])])
    broken = SceneReport('scene-y', error='file <z> is missing')
    config = CheckConfig()
    verdict = judge([scene, broken], config.trust)
    content = content_of([scene, broken], verdict, {'labels': 'a & b'}, config)
    path = tmp_path / 'check.html'
    write_page(path, content, dict(pictures))
    return content, path


def test_json_holds_every_keyframe_and_no_number_that_is_none(tmp_path):
    content, _ = report(tmp_path)
    read = json.loads(json.dumps(content, allow_nan=False))
    first, second = read['scenes'][0]['keyframes']
    assert first['trusted'] and not second['trusted'] and second['faults']
    assert second['findings'][0]['remedy'] and first['ground differs by given poses, m'] is None
    assert read['scenes'][1]['error'] == 'file <z> is missing' and read['thresholds']['trust']['agree'] == 85
    assert read['advice'][0]['kind'] == 'layers' and read['advice'][0]['cases'] == 1


def test_the_page_is_one_file_that_names_no_other(tmp_path):
    _, path = report(tmp_path, {('scene-x', 1): {'labels': b'\xff\xd8picture'}})
    text = path.read_text()
    assert 'NOT TRUSTED' in text and 'ground &lt;b&gt; lies in layers' in text and 'file &lt;z&gt; is missing' in text
    assert 'data:image/jpeg;base64,' in text and 'scene-x, keyframe 1' in text
    assert re.findall(r'(?:src|href)="(?!data:)[^"]*"|url\(|@import', text) == []
