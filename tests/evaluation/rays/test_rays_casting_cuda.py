"""The Triton caster against the numba caster: on a GPU where there is one, and always in Triton's interpreter."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from project.evaluation.rays import cast_rays, casting, ray_fan
from project.grid import VoxelGrid

INTERPRETED = """
import numpy as np, torch
from project.evaluation.rays import cast_rays, casting_cuda
from project.grid import VoxelGrid

# The interpreter takes its time for each program, however many rays it has.
casting_cuda.WARP = 1024
rng = np.random.default_rng(0)
for shape in ((7, 5, 3), (16, 3, 11)):
    occupied = rng.random(shape) < 0.05
    grid = VoxelGrid('ego', (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), shape)
    origins = np.concatenate([rng.uniform(-4, 12, (6, 3)), rng.integers(-4, 20, (6, 3)) / 4])
    random, grazing = rng.normal(size=(30, 3)), rng.integers(-2, 3, (20, 3)) / 2 + [0, 0, 0.25]
    directions = np.concatenate([random, grazing, np.eye(3), -np.eye(3)])
    expected = cast_rays(occupied, grid, origins, directions)
    voxels, depths = casting_cuda.cast(torch.from_numpy(occupied), origins, directions)
    assert (voxels == expected[0]).all() and (depths == expected[1]).all()
    assert 0 < (voxels >= 0).mean() < 1
"""


def test_the_kernel_in_tritons_interpreter_equals_numba():
    pytest.importorskip('triton')
    result = subprocess.run(
        [sys.executable, '-c', INTERPRETED],
        env={**os.environ, 'TRITON_INTERPRET': '1', 'PYTHONPATH': os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_a_whole_frame_on_the_gpu_equals_the_cpu():
    rng = np.random.default_rng(0)
    grid = VoxelGrid.from_range('ego', (-40, -40, -1, 40, 40, 5.4), 0.4)
    occupied = rng.random(grid.shape) < 0.01
    origins = rng.uniform((-39, -39, 0), (39, 39, 3), (8, 3))
    voxels, depths = cast_rays(torch.from_numpy(occupied).cuda(), grid, origins, ray_fan())
    expected = cast_rays(occupied, grid, origins, ray_fan())
    np.testing.assert_array_equal(voxels, expected[0])
    np.testing.assert_array_equal(depths, expected[1])


def test_without_triton_rays_are_cast_on_the_cpu_with_a_warning(monkeypatch):
    monkeypatch.setitem(sys.modules, 'project.evaluation.rays.casting_cuda', None)
    with pytest.warns(UserWarning, match='Triton is not installed'):
        assert casting._cuda_caster() is None


def test_the_kernel_compiles_for_a_gpu_without_fused_arithmetic():
    # A multiplication fused with an addition rounds once instead of twice, and the GPU would take other turns at edges.
    pytest.importorskip('triton')
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, compile

    from project.evaluation.rays import casting_cuda

    pointers = {'occupied': '*u8', 'origins': '*fp64', 'directions': '*fp64', 'voxels': '*i32', 'depths': '*fp32'}
    numbers = dict.fromkeys(('rays', 'fan', 'size_x', 'size_y', 'size_z'), 'i32')
    source = ASTSource(casting_cuda._cast, {**pointers, **numbers, 'warp': 'constexpr'}, {'warp': 32})
    code = compile(source, target=GPUTarget('cuda', 90, 32), options={'num_warps': 1}).asm['ptx']
    assert 'add.f64' in code
    assert 'fma' not in code
    assert code.count('div.rn.f64') == 6
