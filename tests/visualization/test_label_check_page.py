"""The page of the check of labels in a browser: no error, no request, nothing wider than the window."""

import cv2
import numpy as np
import pytest

from project.checking.config import CheckConfig
from project.checking.content import content_of
from project.checking.findings import Finding
from project.checking.ground_checks import Layers
from project.checking.report_page import write_page
from project.checking.scene_check import KeyframeReport, SceneReport
from project.checking.tally import Tally
from project.checking.verdict import judge


def keyframe(index: int, agree: int) -> KeyframeReport:
    counted = Tally()
    counted.ranges[1] = agree, 100 - agree, 0
    counted.classes[4] = agree, 100 - agree, 0
    finding = Finding('layers', 'ground <b> in layers', index)
    nothing = np.zeros(0, np.int32)
    return KeyframeReport(index, f'token{index}', 3, counted, 0.1, 0.5, Layers(0.2, 0.4), [finding], nothing, nothing)


@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('width', [400, 1400])
def test_the_page_opens_without_network(chromium, tmp_path, scheme, width):
    scene = SceneReport('scene-x', keyframes=[keyframe(0, 95), keyframe(1, 40)])
    config = CheckConfig()
    content = content_of([scene], judge([scene], config.trust), {'labels': 'a & b'}, config)
    picture = cv2.imencode('.jpg', np.zeros((30, 40, 3), np.uint8))[1].tobytes()
    write_page(tmp_path / 'check.html', content, {('scene-x', 1): {'labels': picture, 'rays': picture}})
    context = chromium.new_context(viewport={'width': width, 'height': 800}, color_scheme=scheme)
    context.set_offline(True)
    page, complaints = context.new_page(), []
    page.on('console', lambda message: complaints.append(message.text))
    page.on('requestfailed', lambda request: complaints.append(request.url[:80]))
    page.goto(f'file://{tmp_path / "check.html"}')
    assert 'NOT TRUSTED' in page.inner_text('#verdict') and 'ground <b> in layers' in page.inner_text('body')
    assert page.evaluate('document.images.length') == 2
    assert page.evaluate('[...document.images].every(image => image.naturalWidth == 40)')
    assert page.locator('svg.strip rect').count() == 6
    page.click('summary')
    assert page.locator('tr.bad').count() == 1
    assert page.evaluate('document.documentElement.scrollWidth') <= width
    assert complaints == []
    context.close()
