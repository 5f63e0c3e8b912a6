"""The page in a real browser: what it draws of a known world, and every switch."""

import base64
import gzip
import io
import json
from dataclasses import replace
from pathlib import Path

import known_world
import numpy as np
import pytest
from known_world import CAR, GRID, ROAD
from PIL import Image

from project.label_set import LabelSet
from project.taxonomy import FREE, PALETTE
from project.visualization.frame import DIFFERENCE_PALETTE, INVENTED, MISSED, RIGHT, WRONG_CLASS
from project.visualization.render.camera import Camera
from project.visualization.render.viewpoints import FIELD_OF_VIEW_DEG, following_pose, overhead_pose
from project.visualization.web.page import encode_frame, write_page

BACKGROUND = (245, 246, 248)
ON_CAR = (11.5, 0.5, 1.0)
UNDER_CAR = (11.5, 0.5, 0.0)
ON_ROAD = (16.5, -4.5, 0.0)
INVENTED_AT, WRONG_AT = (15.5, 5.5, 1.0), (10.5, -0.5, 1.0)


@pytest.fixture(scope='module')
def clip(tmp_path_factory) -> str:
    """Address of a page of two frames, made once."""
    file = tmp_path_factory.mktemp('page') / 'clip.html'
    write_page(file, [known_world.frame(0), known_world.frame(1)])
    return file.as_uri()


def canvas(page, smooth: bool = False) -> np.ndarray:
    """(H, W, 3) what is drawn in the 3D scene, once it is drawn, or once its edges are smooth."""
    page.evaluate('() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))')
    if smooth:
        page.wait_for_function("document.getElementById('canvas').dataset.edges === 'smooth'")
    url = page.evaluate("document.getElementById('canvas').toDataURL()")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(',')[1]))).convert('RGB')).astype(int)


def colour_at(page, point: tuple[float, float, float], pose: np.ndarray | None = None) -> np.ndarray:
    """Colour where a point of the world is drawn."""
    picture = canvas(page)
    height, width = picture.shape[:2]
    camera = Camera.look_at(*(following_pose(GRID) if pose is None else pose), FIELD_OF_VIEW_DEG, width, height)
    u, v, depth = np.linalg.solve(camera.directions, point - camera.origins[:, 2])
    return picture[int(v / depth), int(u / depth)]


def assert_colour(page, point, colour, pose=None) -> None:
    np.testing.assert_allclose(colour_at(page, point, pose), colour, atol=3)


def share_differing(first: np.ndarray, second: np.ndarray) -> float:
    """Share of pixels whose colours differ visibly."""
    return (np.abs(first - second).max(axis=-1) > 30).mean()


def switch(page, name: str) -> None:
    page.locator('#legend tr').filter(has_text=name).locator('input').click()


def test_draws_the_known_world_without_server_and_network(open_page, clip):
    page = open_page(clip)
    page.get_by_label('Truth').check()
    assert_colour(page, ON_CAR, PALETTE[CAR])
    assert_colour(page, ON_ROAD, PALETTE[ROAD])
    assert_colour(page, (3.1, 0.1, 0.95), (252, 252, 252))
    np.testing.assert_array_equal(canvas(page)[2, 2], BACKGROUND)
    assert page.locator('#title').inner_text() == 'scene-0001, frame 0'


def test_legend_counts_voxels_and_scores_the_frame(open_page, clip):
    page = open_page(clip)
    page.get_by_label('Truth').check()
    read = 'rows => rows.map((row) => [...row.cells].map((cell) => cell.innerText.trim()))'
    cells = page.eval_on_selector_all('#panel tbody tr, #panel tfoot tr', read)
    rows = {row[0]: row[1:] for row in cells}
    assert rows['car'] == ['8', '44.4']
    assert rows['driveable surface'] == ['420', '92.9']
    assert rows['bus'] == ['0', '–']
    assert rows['mIoU'][-1] == '68.7'


def test_legend_and_colours_of_classes_of_ones_own(open_page, tmp_path):
    names = ['noise', *[''] * 15, 'hedge', 'free']
    names[CAR], names[ROAD] = 'tram', 'street'
    labels = LabelSet(tuple(names), tuple((label, 180, 90) for label in range(18)))
    write_page(tmp_path / 'own.html', [known_world.frame(labels=labels, prediction=None)])
    page = open_page((tmp_path / 'own.html').as_uri())
    shown = page.eval_on_selector_all('#legend tr', 'rows => rows.map((row) => row.cells[0].innerText.trim())')
    assert shown == ['noise', 'tram', 'street', 'hedge']
    assert_colour(page, ON_CAR, (CAR, 180, 90))
    switch(page, 'tram')
    assert_colour(page, UNDER_CAR, (ROAD, 180, 90))


def test_class_switch_uncovers_what_lies_below(open_page, clip):
    page = open_page(clip)
    page.get_by_label('Truth').check()
    switch(page, 'car')
    assert_colour(page, UNDER_CAR, PALETTE[ROAD])
    page.keyboard.press('a')
    assert_colour(page, ON_CAR, PALETTE[CAR])
    page.keyboard.press('a')
    np.testing.assert_array_equal(colour_at(page, ON_ROAD), BACKGROUND)


def test_difference_in_its_colours(open_page, clip):
    page = open_page(clip)
    page.get_by_label('Difference').check()
    for point, code in ((INVENTED_AT, INVENTED), (WRONG_AT, WRONG_CLASS), (ON_ROAD, RIGHT)):
        assert_colour(page, point, DIFFERENCE_PALETTE[code])
    page.locator('#above').click()
    assert_colour(page, (5.5, -6.5, 0.0), DIFFERENCE_PALETTE[MISSED], overhead_pose(GRID))


def test_mask_hides_what_no_camera_sees(open_page, clip):
    page = open_page(clip)
    page.get_by_label('Truth').check()
    assert_colour(page, (-2.5, 2.5, 0.0), PALETTE[ROAD])
    page.get_by_label('Camera-visible').check()
    np.testing.assert_array_equal(colour_at(page, (-2.5, 2.5, 0.0)), BACKGROUND)
    assert_colour(page, ON_ROAD, PALETTE[ROAD])


def test_slider_and_play_button_change_frames(open_page, clip):
    page = open_page(clip)
    page.get_by_label('Truth').check()
    page.locator('#slider').fill('1')
    page.wait_for_function("document.getElementById('title').innerText.endsWith('frame 1')")
    assert page.locator('#place').inner_text() == 'frame 1 of 0–1'
    assert_colour(page, (5.5, 0.5, 1.0), PALETTE[CAR])
    page.locator('#play').click()
    page.wait_for_function("document.getElementById('title').innerText.endsWith('frame 0')")
    page.locator('#play').click()
    assert page.locator('#play').get_attribute('aria-label') == 'Play'


def test_overlays_are_drawn(open_page, clip):
    page = open_page(clip)
    page.get_by_label('Prediction').check()
    before = canvas(page, smooth=True)
    page.get_by_label('Cameras').check()
    page.wait_for_timeout(300)
    assert (np.abs(canvas(page) - (255, 0, 255)).max(axis=-1) < 8).sum() > 50
    page.get_by_label('Cameras').uncheck()
    np.testing.assert_array_equal(canvas(page, smooth=True), before)
    page.get_by_label('Lidar').check()
    assert_colour(page, (5.5, 2.5, 0.05), (13, 13, 13))
    page.get_by_label('Boxes').check()
    corner = (14.0, -1.0, 1.0)
    near = colour_at(page, corner)
    assert np.abs(near - PALETTE[CAR]).max() < 120


def test_link_restores_everything(open_page, clip):
    page = open_page(clip)
    page.get_by_label('Truth').check()
    switch(page, 'car')
    page.get_by_label('Boxes').check()
    page.keyboard.press('m')
    page.keyboard.press('ArrowRight')
    page.wait_for_function("document.getElementById('title').innerText.endsWith('frame 1')")
    box = page.locator('#canvas').bounding_box()
    page.mouse.move(box['x'] + 200, box['y'] + 200)
    page.mouse.down()
    page.mouse.move(box['x'] + 260, box['y'] + 230, steps=4)
    page.mouse.up()
    picture = canvas(page, smooth=True)
    again = open_page(page.url)
    assert again.locator('#title').inner_text() == 'scene-0001, frame 1'
    assert again.get_by_label('Boxes').is_checked()
    restored = canvas(again, smooth=True)
    assert share_differing(restored, picture) < 0.005
    assert share_differing(restored, canvas(open_page(clip), smooth=True)) > 0.3


def test_scenes_are_chosen_by_link_and_list(open_page, tmp_path):
    write_page(tmp_path / 'a.html', [known_world.frame(0), replace(known_world.frame(1), scene='scene-0002')])
    page = open_page((tmp_path / 'a.html').as_uri() + '#scene=scene-0002')
    assert page.locator('#title').inner_text() == 'scene-0002, frame 1'
    assert page.locator('#scene').input_value() == 'scene-0002'
    page.locator('#scene').select_option('scene-0001')
    page.wait_for_function("document.getElementById('title').innerText === 'scene-0001, frame 0'")


def test_everything_is_reached_by_keyboard(open_page, clip):
    page = open_page(clip)
    page.keyboard.press('3')
    page.wait_for_url('**layer=difference*')
    before = page.url
    for key in ('.', '+', 't', 'f', 'p', 'b', 'c', 'a', 'm', 'ArrowRight'):
        page.keyboard.press(key)
        page.wait_for_function('(before) => location.href !== before', arg=before)
        before = page.url
    page.get_by_label('Difference').focus()
    page.keyboard.press('ArrowLeft')
    assert page.evaluate('document.activeElement.value') == 'prediction'


@pytest.mark.parametrize('clicked', ['[value=prediction]', '#slider', '#follow', '#overlays [value=points]'])
def test_a_mouse_click_takes_no_keys_away(open_page, clip, clicked):
    page = open_page(clip)
    page.locator(clicked).click()
    page.keyboard.press('3')
    page.wait_for_url('**layer=difference*')
    page.keyboard.press('b')
    page.wait_for_url('**show=*boxes*')
    before = page.locator('#place').inner_text()
    page.keyboard.press('ArrowRight')
    page.wait_for_function("(before) => document.getElementById('place').innerText !== before", arg=before)
    assert page.get_by_label('Difference').is_checked()
    page.keyboard.press('Space')
    assert page.locator('#play').get_attribute('aria-label') == 'Pause'


def test_a_control_in_focus_keeps_only_the_keys_it_uses(open_page, clip):
    page = open_page(clip)
    page.locator('#slider').focus()
    page.keyboard.press('1')
    page.wait_for_url('**layer=truth*')
    page.keyboard.press('Space')
    assert page.locator('#play').get_attribute('aria-label') == 'Pause'
    page.locator('#play').focus()
    page.keyboard.press('Space')
    assert page.locator('#play').get_attribute('aria-label') == 'Play'
    page.get_by_label('Boxes').focus()
    page.keyboard.press('Space')
    assert page.get_by_label('Boxes').is_checked()
    assert page.locator('#play').get_attribute('aria-label') == 'Play'


def test_labels_alone_are_no_truth(open_page, tmp_path):
    write_page(tmp_path / 'a.html', [known_world.frame(0, prediction=None)])
    page = open_page((tmp_path / 'a.html').as_uri())
    assert_colour(page, ON_CAR, PALETTE[CAR])
    page.wait_for_url('**layer=labels*')
    assert page.get_by_text('Truth').count() == 0


def test_the_difference_has_no_iou_of_classes(open_page, clip):
    page = open_page(clip)
    page.get_by_label('Difference').check()
    assert page.locator('#score-head').inner_text() == ''
    assert page.locator('#means').inner_text().split() == ['mIoU,', '%', '68.7', 'geometric', 'IoU,', '%', '92.8']


@pytest.mark.parametrize(
    'link', ['#scene=%E0%A4%A&frame=7', '#layer=none&mask=none&hide=&show=x', '#view=1,2,x', '#=&&view=0,0,0,0,0,0']
)
def test_a_bad_link_still_shows_something(open_page, clip, link):
    page = open_page(clip + link)
    assert page.locator('#title').inner_text() == 'scene-0001, frame 0'
    page.keyboard.press('f')
    page.keyboard.press('1')
    assert_colour(page, ON_CAR, PALETTE[CAR])


def test_the_server_shows_the_same_and_says_what_is_wrong(open_page, server):
    page = open_page(server.url, offline=False)
    page.get_by_label('Truth').check()
    assert_colour(page, ON_CAR, PALETTE[CAR])
    with page.expect_event('requestfinished', lambda request: '/images/' in request.url):
        page.get_by_label('Cameras').check()


def test_only_voxels_that_hold_something_travel():
    frame = known_world.frame(0)
    content = gzip.decompress(encode_frame(frame))
    length = int.from_bytes(content[:4], 'little')
    places = json.loads(content[4 : 4 + length])['arrays']
    body = np.frombuffer(content[4 + length :], np.uint8)
    arrays = {name: body[start : start + size] for name, (start, size) in places.items()}
    occupied = np.unpackbits(arrays['occupied'], count=GRID.size).astype(bool)
    truth, prediction = frame.truth.ravel(), frame.prediction.ravel()
    np.testing.assert_array_equal(occupied, (truth != FREE) | (prediction != FREE))
    np.testing.assert_array_equal(arrays['truth'], truth[occupied])
    np.testing.assert_array_equal(arrays['prediction'], prediction[occupied])
    np.testing.assert_array_equal(arrays['mask_camera'], frame.masks['camera'].ravel()[occupied])


def test_the_page_is_one_file_that_names_no_other(tmp_path: Path):
    write_page(tmp_path / 'a.html', [known_world.frame(0)])
    text = (tmp_path / 'a.html').read_text()
    assert 'src="http' not in text
    assert 'href="http' not in text
    assert '{{' not in text.split('var THREE')[0]


def test_a_page_without_frames_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match=r'a\.html: no frames'):
        write_page(tmp_path / 'a.html', [])
    assert not (tmp_path / 'a.html').exists()
