"""The kernel of the photometric distortion: on a GPU where there is one, else in Triton's interpreter."""

import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from project.datasets.distortion import Distortion, _distorted_tensor, distorted_batch, draw_distortion

INTERPRETED = os.environ.get('TRITON_INTERPRET') == '1'
DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'
pytestmark = pytest.mark.skipif(not find_spec('triton'), reason='Triton is not installed')


@pytest.mark.skipif(DEVICE == 'cuda' or INTERPRETED, reason='the kernel is tested in this process')
def test_the_kernel_in_the_interpreter():
    command = [sys.executable, '-m', 'pytest', '-q', '-n0', '-p', 'no:cacheprovider', __file__]
    environment = {**os.environ, 'TRITON_INTERPRET': '1'}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]


@pytest.mark.skipif(DEVICE == 'cpu' and not INTERPRETED, reason='needs a GPU or the interpreter')
@pytest.mark.parametrize('layout', ['rows of channels', 'rows of pixels', 'a window'])
def test_it_gives_the_values_of_plain_torch(rng, layout):
    from project.datasets.triton_distortion import distort

    drawn = [draw_distortion(rng) for _ in range(40)]
    drawn += [Distortion(), Distortion(hue_deg=18), Distortion(saturation=1.5, order=(2, 0, 1), contrast_first=False)]
    images = torch.from_numpy(rng.integers(0, 256, (len(drawn), 3, 37, 41), dtype=np.uint8)).to(DEVICE)
    images[:, :, :9] = images[:, :1, :9]  # grey
    images[:, 1, 9:14] = images[:, 2, 9:14]  # two channels alike
    if layout == 'rows of pixels':
        images = images.contiguous(memory_format=torch.channels_last)
    elif layout == 'a window':
        images = images[..., 3:-4]
    found = distort(images, drawn)
    assert found.shape == images.shape and found.dtype == torch.uint8
    for one, image, distortion in zip(found, images, drawn, strict=True):
        assert torch.equal(one, _distorted_tensor(image, distortion))


@pytest.mark.skipif(DEVICE == 'cpu', reason='needs a GPU')
def test_a_gpu_takes_the_kernel_unless_plain_torch_is_asked_for(rng, monkeypatch):
    images = torch.from_numpy(rng.integers(0, 256, (2, 3, 3, 45, 64), dtype=np.uint8)).cuda()
    drawn = [draw_distortion(rng) for _ in range(6)]
    found = distorted_batch(images, drawn)
    monkeypatch.setenv('OCCUPANCY_DISTORTION', 'torch')
    assert torch.equal(distorted_batch(images, drawn), found)
    assert not torch.equal(found, images)
