"""Images brought to a size: what is projected stays on what it was."""

import numpy as np
import pytest

from project.datasets.image_augmentation import FitSurroundImages

SIZE = (90, 160)


def picture(spots, height=225, width=400):
    """An image that is black but for discs."""
    rows, columns = np.mgrid[:height, :width] + 0.5
    image = np.zeros((height, width, 3), np.uint8)
    for u, v in spots:
        image[(columns - u) ** 2 + (rows - v) ** 2 < 36] = 255
    return image


def results(image, matrix, cameras=2):
    files = [[f'{camera}.jpg' for camera in range(cameras)]]
    return {'imgs': [image] * cameras, 'image_files': files, 'lidar2img': np.stack([[matrix] * cameras])}


def projection(spot):
    """A camera that sees the point (0, 0, 7) at a spot."""
    matrix = np.diag([300.0, 300.0, 1.0, 1.0])
    matrix[:2, 2] = spot
    return matrix


@pytest.mark.parametrize('options', [
    {}, dict(scale=(0.8, 1.4)), dict(mirror=1.0), dict(turn_deg=20.0),
    dict(scale=(0.9, 1.3), mirror=0.5, turn_deg=8.0),
])  # fmt: skip
def test_a_projected_point_stays_on_its_object(rng, options):
    fit = FitSurroundImages(SIZE, **options)
    seen = 0
    for _ in range(12):
        spot = rng.uniform((60, 110), (340, 190))
        done = fit(results(picture([spot]), projection(spot)))
        assert done['img_shape'] == SIZE
        for image, matrix in zip(done['imgs'], done['lidar2img'][0], strict=True):
            assert image.shape == (*SIZE, 3)
            u, v, depth = (matrix @ (0, 0, 7, 1))[:3]
            assert depth == pytest.approx(7)
            column, row = u / depth, v / depth
            if 4 < column < SIZE[1] - 4 and 4 < row < SIZE[0] - 4:
                rows, columns = np.nonzero(image[..., 0] > 127)
                assert (columns.mean() + 0.5, rows.mean() + 0.5) == pytest.approx((column, row), abs=0.5)
                seen += 1
    assert seen > 12


def test_nothing_is_random_unless_asked_for_and_the_lowest_rows_stay():
    fit = FitSurroundImages(SIZE)
    image = picture([(200, 215)])
    first, second = (fit(results(image, projection((200, 215))))['imgs'][0] for _ in range(2))
    assert not fit.is_random and (first == second).all()
    rows, _ = np.nonzero(first[..., 0] > 127)
    assert rows.mean() + 0.5 == pytest.approx(SIZE[0] - 4, abs=0.6)  # 10 rows of 225 from below, at 0.4 of the size


def test_each_camera_changes_by_itself_and_alike_in_all_keyframes():
    fit = FitSurroundImages(SIZE, scale=(0.8, 1.4))
    given = results(picture([(200, 150)]), np.eye(4))
    given = {
        'imgs': given['imgs'] * 3,
        'image_files': given['image_files'] * 3,
        'lidar2img': np.tile(np.eye(4), (3, 2, 1, 1)),
    }
    matrices = fit(given)['lidar2img']
    assert (matrices[0] == matrices[2]).all()
    assert (matrices[0, 0] != matrices[0, 1]).any()


def test_images_smaller_than_the_window_are_filled_with_black():
    done = FitSurroundImages((200, 160))(results(picture([]) + 255, np.eye(4)))
    assert (done['imgs'][0][:110] == 0).all() and (done['imgs'][0][110:] == 255).all()
