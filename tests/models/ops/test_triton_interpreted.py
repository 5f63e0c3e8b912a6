"""Without a GPU the Triton kernels run in Triton's interpreter, which must be chosen before Triton is imported."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

NAMES = (
    'triton_attention', 'triton_convolution', 'triton_pool', 'triton_pull', 'splat', 'warp', 'frozen_norm',
    'trained_norm',
)  # fmt: skip
FILES = [str(Path(__file__).with_name(f'test_{name}.py')) for name in NAMES]


@pytest.mark.skipif(torch.cuda.is_available(), reason='the kernels are tested on the GPU')
@pytest.mark.skipif(not find_spec('triton'), reason='Triton is not installed')
@pytest.mark.skipif(os.environ.get('TRITON_INTERPRET') == '1', reason='already in the interpreter')
def test_kernels_in_the_interpreter():
    command = [sys.executable, '-m', 'pytest', '-q', '-n0', '-p', 'no:cacheprovider', *FILES]
    environment = {**os.environ, 'TRITON_INTERPRET': '1'}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
