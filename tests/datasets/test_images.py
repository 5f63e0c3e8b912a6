"""Image functions on their own."""

import cv2
import numpy as np
import pytest

from project.datasets import images
from project.datasets.images import (
    grid_mask,
    one_array,
    read_image,
    read_images,
    reduced,
    scaled,
    scaled_projection,
)


@pytest.fixture
def image(rng):
    return rng.integers(0, 256, (7, 5, 3), dtype=np.uint8)


def jpeg(size: int, *options: int) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    return cv2.imencode('.jpg', noise, options)[1].tobytes()


@pytest.mark.skipif(images.simplejpeg is None, reason='OpenCV uses what it can decode of a damaged image')
def test_damage_in_the_middle_is_told(tmp_path):
    path, whole = tmp_path / 'a.jpg', jpeg(128)
    start, end = whole.index(b'\xff\xda') + 14, len(whole) - 2
    for place in range(start, end - 600, 997):
        path.write_bytes(whole[:place] + bytes(512) + whole[place + 512 :])
        with pytest.raises(ValueError, match=r'a\.jpg: not an image that can be read'):
            read_image(path)
    path.write_bytes(whole[:-2] + bytes(9) + whole[-2:])  # as some cameras fill up their files
    np.testing.assert_array_equal(read_image(path), cv2.imdecode(np.frombuffer(whole, np.uint8), 1))


@pytest.mark.parametrize('options', [(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)])
def test_a_jpeg_is_read_whole_or_not_at_all(tmp_path, options):
    path, whole = tmp_path / 'a.jpg', jpeg(64, *options)
    # A thumbnail in the head is a whole JPEG with markers of its own; some cameras pad files with zeros.
    head = b'\xff\xd8\xff\xe1' + (len(jpeg(8)) + 2).to_bytes(2, 'big') + jpeg(8)
    for content in (whole, whole + bytes(100), head + whole[2:]):
        path.write_bytes(content)
        np.testing.assert_array_equal(read_image(path), cv2.imdecode(np.frombuffer(whole, np.uint8), 1))
        end = len(content.rstrip(b'\0'))
        for length in (0, 1, 100, end // 2, end * 9 // 10, end - 2, end - 1):
            path.write_bytes(content[:length])
            with pytest.raises(ValueError, match=r'a\.jpg: not an image that can be read, or only a part'):
                read_image(path)


@pytest.mark.parametrize('by', [1, 2, 4])
@pytest.mark.parametrize('kind', ['4:2:0', '4:4:4', 'progressive', 'grey', 'turned'])
def test_jpegs_have_opencvs_pixels(tmp_path, rng, kind, by):
    smooth = cv2.resize(rng.integers(0, 256, (9, 13, 3), dtype=np.uint8), (203, 101))
    options = {
        '4:4:4': (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
        'progressive': (cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    }
    content = cv2.imencode('.jpg', smooth[..., 0] if kind == 'grey' else smooth, options.get(kind, ()))[1].tobytes()
    if kind == 'turned':  # Exif data with one entry: the orientation 6, a quarter turn
        entry = b'MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0'
        content = content[:2] + b'\xff\xe1' + (len(entry) + 8).to_bytes(2, 'big') + b'Exif\0\0' + entry + content[2:]
    path = tmp_path / 'a.jpg'
    path.write_bytes(content)
    flag = {1: cv2.IMREAD_COLOR, 2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4}[by]
    expected = cv2.imdecode(np.frombuffer(content, np.uint8), flag)
    assert expected.shape[0] > expected.shape[1] or kind != 'turned'
    np.testing.assert_array_equal(read_image(path, by), expected)
    into = np.zeros_like(expected)
    assert read_image(path, by, into) is into
    np.testing.assert_array_equal(into, expected)


def test_images_of_one_size_are_read_into_one_array(tmp_path, rng):
    sizes = [(8, 16), (8, 16), (8, 16), (16, 8)]
    paths = [tmp_path / f'{n}.{kind}' for n, kind in enumerate(['jpg', 'png', 'jpg', 'png'])]
    for path, size in zip(paths, sizes, strict=True):
        cv2.imwrite(str(path), rng.integers(0, 256, (*size, 3), dtype=np.uint8))
    loaded = read_images(paths)
    for image, path in zip(loaded, paths, strict=True):
        np.testing.assert_array_equal(image, cv2.imread(str(path)))
    alike = read_images(paths[:3])
    assert np.shares_memory(one_array(alike), alike[2])
    for changed in (alike[::-1], alike[:2], [*alike[:2], alike[2].copy()], [image[:, ::-1] for image in alike]):
        assert not np.shares_memory(one_array(changed), alike[0])
        np.testing.assert_array_equal(one_array(changed), np.stack(changed))


def test_scaling_halves_by_averaging_and_keeps_the_dtype():
    image = np.arange(8 * 6 * 3, dtype=np.float32).reshape(8, 6, 3)
    expected = image.reshape(4, 2, 3, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(scaled(image, 0.5), expected)
    assert scaled(image.astype(np.uint8), 0.5).dtype == np.uint8
    assert scaled(image, 0.9).shape == (7, 5, 3)


@pytest.mark.parametrize('by', [2, 4])
def test_a_jpeg_that_is_reduced_while_it_is_decoded_is_that_which_is_reduced_after(tiny_world, by):
    file = sorted(tiny_world.glob('samples/CAM_FRONT/*.jpg'))[0]
    whole = read_image(file)
    plain = reduced(whole, by)
    apart = np.abs(read_image(file, by).astype(int) - plain)
    assert apart.shape == (-(-90 // by), 160 // by, 3)
    assert apart.mean() < 1 and np.quantile(apart, 0.99) < 10
    # Another row or column would be far off.
    moved = np.abs(np.roll(plain, 1, axis=0).astype(int) - plain)
    assert apart.mean() < moved.mean() / 10
    halves = scaled(whole, 1 / by) if by == 2 else plain
    assert np.abs(halves.astype(int) - plain).max() <= 1


def test_scaled_projection_acts_on_pixels_only(random_rigid):
    projection = random_rigid()
    point = np.array([1.0, 2.0, 3.0, 1.0])
    found = scaled_projection(projection, 0.25, (8, 12)) @ point
    np.testing.assert_allclose(found, projection @ point * [0.25, 0.25, 1, 1])


def test_corners_of_an_image_stay_corners_where_sides_are_cut_to_whole_pixels():
    image = np.zeros((7, 9, 3), np.uint8)
    moved = scaled_projection(np.eye(4), 0.5, (7, 9)) @ [9, 7, 1, 1]
    np.testing.assert_allclose(moved[[1, 0]], scaled(image, 0.5).shape[:2])


@pytest.mark.parametrize('size', [(90, 161), (7, 5), (2, 2)])
def test_grid_mask_cuts_equal_rectangles_at_a_regular_distance(rng, size):
    for _ in range(20):
        kept = grid_mask(*size, rng)
        assert kept.shape == size and kept.dtype == bool
        rows, columns = kept.all(axis=1), kept.all(axis=0)
        np.testing.assert_array_equal(kept, rows[:, None] | columns)


def test_grid_mask_removes_a_quarter(rng):
    removed = np.mean([1 - grid_mask(96, 160, rng).mean() for _ in range(400)])
    assert 0.2 < removed < 0.3
