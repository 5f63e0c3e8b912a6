"""Pictures: known objects must lie at their projected places in their colours."""

import sys

import known_world as worlds
import numpy as np
import pytest
from known_world import CAR, GRID, ROAD
from PIL import Image

from project.grid import VoxelGrid
from project.taxonomy import CLASSES, PALETTE
from project.visualization.frame import DIFFERENCE_PALETTE, INVENTED, MISSED, RIGHT, WRONG_CLASS
from project.visualization.render.camera import Camera
from project.visualization.render.camera_images import overlaid
from project.visualization.render.drawing import BACKGROUND, caption, legend, text_size
from project.visualization.render.files import write_gif, write_mp4, write_png
from project.visualization.render.picture import EGO_COLOURS, frame_picture, render_voxels
from project.visualization.render.viewpoints import ego_car, following_view, forward, from_ego, overhead_view


def pixel_of(camera: Camera, point: tuple[float, float, float]) -> tuple[int, int]:
    """Row and column of a point in a perspective camera."""
    centre = camera.origins[:, 2]
    u, v, depth = np.linalg.solve(camera.directions, np.subtract(point, centre))
    return int(v / depth), int(u / depth)


def test_from_behind_every_thing_has_its_colour_at_its_projected_place():
    frame = worlds.frame()
    camera = following_view(GRID, 900, 700)
    truth = render_voxels(frame, frame.layers[0], camera)
    for point, colour in (
        ((10.5, 0.5, 1.0), PALETTE[CAR]),
        ((16.5, -4.5, 0.0), PALETTE[ROAD]),
        ((3.1, 0.1, 0.95), EGO_COLOURS[0]),
        ((1.0, 0.1, 1.55), EGO_COLOURS[1]),
        ((60.0, 0.0, 0.0), BACKGROUND),
    ):
        row, column = pixel_of(camera, point)
        np.testing.assert_allclose(truth[max(row, 0), column], colour, atol=2)


def test_difference_from_above_shows_the_four_cases():
    frame = worlds.frame()
    picture = render_voxels(frame, frame.layers[2], overhead_view(GRID, 280, 600))
    # 20 px a metre; x = 20 is the upper edge, y = 7 the left one.
    for point, code in (
        ((15.5, 5.5), INVENTED),
        ((0.5, -6.5), MISSED),
        ((-5.5, 3.5), RIGHT),
        ((10.5, -0.5), WRONG_CLASS),
    ):
        row, column = int((20 - point[0]) * 20), int((7 - point[1]) * 20)
        # What stands beside higher things lies in their shade.
        np.testing.assert_allclose(picture[row, column], DIFFERENCE_PALETTE[code], atol=3)


def test_a_mask_hides_what_is_outside_it():
    frame = worlds.frame()
    camera = overhead_view(GRID, 280, 600)
    masked = render_voxels(frame, frame.layers[0], camera, frame.mask('camera'))
    row, column = int((20 - -5.5) * 20), int((7 - 3.5) * 20)
    np.testing.assert_array_equal(masked[row, column], BACKGROUND)
    assert (render_voxels(frame, frame.layers[0], camera)[row, column] != BACKGROUND).any()


def test_camera_image_has_the_voxels_over_what_they_cover_and_the_image_elsewhere():
    image = np.zeros((120, 160, 3), np.uint8)
    frame = worlds.frame(prediction=None, cameras=[worlds.camera_ahead(image)])
    (layer,) = frame.layers
    picture = overlaid(GRID, layer, layer.occupied(), frame.cameras[0], 320)
    assert picture.shape == (240, 320, 3)
    # The back of the car, at x = 10 and z = 0-1, through a camera at 1.5 m: v = 120 + 160 * (1.5 - z) / 10.
    colour = picture[int(120 + 160 * 1.0 / 10), int(160 - 160 * 0.5 / 10)].astype(float)
    np.testing.assert_allclose(colour / colour.max(), PALETTE[CAR] / PALETTE[CAR].max(), atol=0.03)
    assert (picture[10, 160] == 0).all()


def test_a_mask_hides_voxels_in_camera_images_too():
    grey = [worlds.camera_ahead(np.full((120, 160, 3), 128, np.uint8))]
    nothing = {'camera': np.zeros(GRID.shape, bool)}
    plain, masked = (
        frame_picture(worlds.frame(prediction=None, cameras=grey, masks=nothing), mask, 960)
        for mask in (None, 'camera')
    )
    # Below the title and the caption, in the first of three panels.
    panel = (slice(150, 250), slice(10, 310))
    assert (masked[panel] == 128).all()
    assert (plain[panel] != 128).any(axis=-1).mean() > 0.5


@pytest.mark.parametrize('width_px', [400, 640, 1280, 1920])
def test_text_grows_with_the_sheet_and_the_legend_stays_small(width_px: int):
    entries = [(name.replace('_', ' '), (0, 0, 0)) for name in CLASSES]
    size_px = text_size(18, width_px)
    assert size_px == pytest.approx(max(11, width_px / 80), abs=0.5)
    strip = legend(entries, width_px, size_px)
    assert strip.shape[1] == width_px
    assert strip.shape[0] < 0.25 * width_px
    assert ((strip == 0).all(axis=-1)).sum() > len(entries) * (size_px - 2) ** 2
    assert (strip[:, -2:] == BACKGROUND).all()


def test_a_caption_is_cut_where_it_does_not_fit():
    picture = np.full((40, 150, 3), 90, np.uint8)
    caption(picture, 'CAM_FRONT_RIGHT, prediction', 11)
    assert (picture[:15, -10:] == 90).all()
    assert (picture[:15, :100] != 90).any()


@pytest.mark.parametrize('frame_name', ['ego', 'lidar'])
def test_the_ego_car_stands_on_the_ground_and_points_forward(frame_name: str):
    grid = VoxelGrid.from_range(frame_name, (-8, -8, -4, 8, 8, 4), 1)
    low, high = np.split(ego_car(grid), 2, axis=1)
    sizes = (high - low).max(axis=0)
    assert (np.abs(forward(grid)) @ sizes) == pytest.approx(4.1)
    ground = from_ego(grid, [(0, 0, 0)])[0, 2]
    assert 0 < low[:, 2].min() - ground < 0.4
    rear_axle = from_ego(grid, [(0, 0, 0)])[0]
    ahead, behind = (forward(grid) @ (corner - rear_axle) for corner in (high[0], low[0]))
    assert ahead > -behind > 0


def test_a_sheet_has_everything_and_grows_with_what_is_known():
    alone = frame_picture(worlds.frame(prediction=None, cameras=[]), width_px=640)
    compared = frame_picture(worlds.frame(cameras=[]), width_px=640)
    with_images = frame_picture(worlds.frame(), mask='camera', width_px=640)
    assert alone.dtype == np.uint8
    assert alone.shape[1] == compared.shape[1] == with_images.shape[1] == 640
    assert alone.shape[0] < compared.shape[0] < with_images.shape[0]
    for code in (MISSED, INVENTED):
        assert (compared == DIFFERENCE_PALETTE[code]).all(axis=-1).any()


def test_files_hold_the_pictures(tmp_path):
    pictures = [np.full((33, 41, 3), colour, np.uint8) for colour in ((250, 10, 10), (10, 10, 250))]
    write_png(tmp_path / 'new' / 'a.png', pictures[0])
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / 'new' / 'a.png')), pictures[0])
    pictures[0][:5] = pictures[1][0, 0]
    write_gif(tmp_path / 'a.gif', iter(pictures), frames_per_second=4)
    with Image.open(tmp_path / 'a.gif') as clip:
        assert (clip.n_frames, clip.info['duration'], clip.info['loop']) == (2, 250, 0)
        clip.seek(1)
        assert clip.convert('RGB').getpixel((20, 20)) == pytest.approx((10, 10, 250), abs=4)
    mixture = np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    mixture[:18, 0] = PALETTE
    write_gif(tmp_path / 'c.gif', [mixture])
    np.testing.assert_allclose(np.asarray(Image.open(tmp_path / 'c.gif').convert('RGB'))[:18, 0], PALETTE, atol=4)
    with pytest.raises(ValueError, match='no frames'):
        write_gif(tmp_path / 'b.gif', [])
    assert not (tmp_path / 'b.gif').exists()


def test_a_video_plays(tmp_path):
    pytest.importorskip('imageio_ffmpeg', reason='needs imageio-ffmpeg')
    cv2 = pytest.importorskip('cv2')
    pictures = [np.full((33, 41, 3), colour, np.uint8) for colour in ((250, 10, 10), (10, 10, 250), (10, 250, 10))]
    write_mp4(tmp_path / 'a.mp4', iter(pictures))
    video = cv2.VideoCapture(str(tmp_path / 'a.mp4'))
    shots = [video.read()[1] for _ in range(3)]
    np.testing.assert_allclose([shot[16, 20, ::-1] for shot in shots], [p[0, 0] for p in pictures], atol=12)
    assert [path.name for path in tmp_path.iterdir()] == ['a.mp4']


def test_without_the_encoder_a_video_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'imageio_ffmpeg', None)
    with pytest.raises(ImportError, match='pip install imageio-ffmpeg'):
        write_mp4(tmp_path / 'a.mp4', [])
