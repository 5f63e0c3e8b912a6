"""Photometric distortion, as it is defined, and on the device."""

import cv2
import numpy as np
import pytest
import torch

from project.datasets.distortion import _distorted_tensor, _hsv_of, distorted, distorted_batch, draw_distortion


class Fixed:
    """Answers `random` with the given numbers, `uniform` with the given values."""

    def __init__(self, chances: list[float], values: list[float] = ()):
        self.chances, self.values = iter(chances), iter(values)

    def random(self) -> float:
        return next(self.chances)

    def uniform(self, low: float, high: float) -> float:
        return next(self.values)

    def permutation(self, size: int) -> np.ndarray:
        return np.array([2, 0, 1])


NEVER, ALWAYS = 0.9, 0.1


@pytest.fixture
def image(rng):
    return rng.integers(0, 256, (7, 5, 3), dtype=np.uint8)


def test_no_distortion_leaves_the_image_alone(image):
    np.testing.assert_array_equal(distorted(image, draw_distortion(Fixed([NEVER] * 6))), image)


@pytest.mark.parametrize('contrast_first', [ALWAYS, NEVER])
def test_brightness_and_contrast(image, contrast_first):
    out = distorted(image, draw_distortion(Fixed([ALWAYS, ALWAYS, NEVER, NEVER, contrast_first, NEVER], [20.0, 1.5])))
    brightened = image + 20.0 if contrast_first == ALWAYS else np.clip(image + 20.0, 0, 255)
    np.testing.assert_array_equal(out, np.clip(np.rint(1.5 * brightened), 0, 255))


def test_channels_change_places(image):
    np.testing.assert_array_equal(
        distorted(image, draw_distortion(Fixed([NEVER] * 5 + [ALWAYS]))), image[..., [2, 0, 1]]
    )


def test_hue_turns_red_to_green_and_saturation_fades_to_grey():
    red = np.full((2, 2, 3), (0, 0, 255), np.uint8)
    turned = distorted(red, draw_distortion(Fixed([NEVER, NEVER, NEVER, ALWAYS, NEVER, NEVER], [120.0])))
    np.testing.assert_array_equal(turned, np.full((2, 2, 3), (0, 255, 0)))
    faded = distorted(red, draw_distortion(Fixed([NEVER, NEVER, ALWAYS, NEVER, NEVER, NEVER], [0.0])))
    np.testing.assert_array_equal(faded, np.full((2, 2, 3), 255))


def test_hue_saturation_and_value_are_those_of_opencv(rng):
    image = rng.integers(0, 256, (301, 500, 3), dtype=np.uint8)
    found = torch.stack(_hsv_of(torch.from_numpy(image).permute(2, 0, 1)))
    np.testing.assert_array_equal(found.permute(1, 2, 0).numpy(), cv2.cvtColor(image, cv2.COLOR_BGR2HSV))


@pytest.mark.parametrize('device', ['cpu', 'cuda'])
def test_a_device_distorts_as_opencv_does(rng, device):
    if device == 'cuda' and not torch.cuda.is_available():
        pytest.skip('no GPU')
    # OpenCV rounds what is left of a row after multiples of 32 in another way.
    image = rng.integers(0, 256, (45, 64, 3), dtype=np.uint8)
    tensor = torch.from_numpy(image).permute(2, 0, 1).to(device)
    different = 0
    for _ in range(50):
        distortion = draw_distortion(rng)
        found = _distorted_tensor(tensor, distortion).permute(1, 2, 0).cpu().numpy()
        apart = np.abs(found.astype(int) - distorted(image, distortion))
        # One step, and the contrast after it.
        assert apart.max() <= 2
        different += np.count_nonzero(apart)
    assert different < 1e-3 * 50 * image.size


def test_a_batch_on_the_cpu_is_distorted_by_opencv_in_the_order_of_frames_and_cameras(rng):
    images = rng.integers(0, 256, (2, 3, 7, 5, 3), dtype=np.uint8)
    drawn = [draw_distortion(rng) for _ in range(6)]
    found = distorted_batch(torch.from_numpy(images).permute(0, 1, 4, 2, 3), drawn)
    for number, each in enumerate(drawn):
        frame, camera = divmod(number, 3)
        expected = distorted(images[frame, camera], each)
        np.testing.assert_array_equal(found[frame, camera].permute(1, 2, 0).numpy(), expected)
