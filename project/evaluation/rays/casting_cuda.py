"""The ray caster as one Triton kernel: one ray a thread, one warp a program, so that a warp stops with its longest ray.

The arithmetic is that of ``casting.py``, operation for operation.
"""

import numpy as np
import torch
import triton
import triton.language as tl

WARP = 32


def cast(occupied: torch.Tensor, origins: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends of all rays; see :func:`project.evaluation.rays.cast_rays`.

    Args:
        occupied: (X, Y, Z) bool on a GPU.
        origins: (O, 3) float64 and
        directions: (D, 3) float64, both in units of voxels from the grid's lowest corner.
    """
    device, rays = occupied.device, len(origins) * len(directions)
    voxels = torch.empty((len(origins), len(directions)), dtype=torch.int32, device=device)
    depths = torch.empty(voxels.shape, dtype=torch.float32, device=device)
    arguments = (
        occupied.contiguous().view(torch.uint8),
        torch.from_numpy(np.ascontiguousarray(origins)).to(device),
        torch.from_numpy(np.ascontiguousarray(directions)).to(device),
        voxels,
        depths,
    )
    with torch.cuda.device_of(occupied):
        _cast[(triton.cdiv(rays, WARP),)](*arguments, rays, len(directions), *occupied.shape, warp=WARP, num_warps=1)
    return voxels.cpu().numpy(), depths.cpu().numpy()


@triton.jit
def _cast(occupied, origins, directions, voxels, depths, rays, fan, size_x, size_y, size_z, warp: tl.constexpr):
    ray = tl.program_id(0) * warp + tl.arange(0, warp)
    active = ray < rays
    origin, direction = origins + ray // fan * 3, directions + ray % fan * 3
    x, step_x, next_x, delta_x = _axis(origin, direction, active)
    y, step_y, next_y, delta_y = _axis(origin + 1, direction + 1, active)
    z, step_z, next_z, delta_z = _axis(origin + 2, direction + 2, active)
    end = tl.full([warp], -1, tl.int32)
    depth = tl.full([warp], float('inf'), tl.float64)
    walking = active
    while tl.max(walking.to(tl.int32), 0) > 0:
        inside = (x >= 0) & (x < size_x) & (y >= 0) & (y < size_y) & (z >= 0) & (z < size_z)
        lost = _lost(x, step_x, size_x, next_x) | _lost(y, step_y, size_y, next_y) | _lost(z, step_z, size_z, next_z)
        walking = walking & (inside | ((end < 0) & ~lost))
        here = walking & inside
        voxel = (x * size_y + y) * size_z + z
        end = tl.where(here, voxel, end)
        depth = tl.where(here, tl.minimum(next_x, tl.minimum(next_y, next_z)), depth)
        walking = walking & (tl.load(occupied + voxel, mask=here, other=0) == 0)
        along_z = (next_z <= next_x) & (next_z <= next_y)
        along_y = ~along_z & (next_y <= next_x)
        along_x = ~along_z & ~along_y
        x, next_x = tl.where(along_x, x + step_x, x), tl.where(along_x, next_x + delta_x, next_x)
        y, next_y = tl.where(along_y, y + step_y, y), tl.where(along_y, next_y + delta_y, next_y)
        z, next_z = tl.where(along_z, z + step_z, z), tl.where(along_z, next_z + delta_z, next_z)
    tl.store(voxels + ray, end, mask=active)
    tl.store(depths + ray, depth.to(tl.float32), mask=active)


@triton.jit
def _axis(origin, direction, active):
    origin = tl.load(origin, mask=active, other=0.0)
    direction = tl.load(direction, mask=active, other=1.0)
    floor = tl.floor(origin)
    step = tl.where(direction < 0, -1, 1)
    border = tl.where(direction < 0, floor, floor + 1)
    moving = direction != 0
    divisor = tl.where(moving, direction, 1.0)
    next_border = tl.where(moving, (border - origin) / divisor, float('inf'))
    delta = tl.where(moving, step.to(tl.float64) / divisor, float('inf'))
    return floor.to(tl.int32), step, next_border, delta


@triton.jit
def _lost(index, step, size, next_border):
    still = next_border == float('inf')
    return ((index < 0) & ((step < 0) | still)) | ((index >= size) & ((step > 0) | still))
