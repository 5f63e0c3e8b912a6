"""The cameras: triangles drawn into a depth buffer, then every pixel shaded."""

from dataclasses import dataclass

import numpy as np
from numba import njit

from project.geometry.rigid import inverse
from project.synthetic.materials import COLOURS, PAINTS, ROUGHNESS
from project.synthetic.scene import SyntheticScene
from project.synthetic.shading import shade

NEAREST = 0.15
"""Depth in metres in front of which nothing is drawn."""
SKY, TOWN = -2, -1
"""What a pixel shows if it shows no actor."""


@dataclass(frozen=True)
class Picture:
    """A rendered picture and what each pixel shows.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        raw: (H, W) uint8 lidarseg index; 0 for the sky.
        actors: (H, W) int64 index of the actor, or SKY or TOWN.
        depth: (H, W) float64 metres along the optical axis; infinity for the sky.
    """

    image: np.ndarray
    raw: np.ndarray
    actors: np.ndarray
    depth: np.ndarray


def render(scene: SyntheticScene, channel: str, time: float) -> Picture:
    """The image of a camera at a time, in seconds since the first keyframe.

    Pixel (column, row) shows what the ray through its centre meets, u = column + 0.5 and v = row + 0.5 of the intrinsic
    matrix.
    """
    camera = scene.rig.cameras[channel]
    width, height = camera.size_px(scene.settings.image_size)
    intrinsic = camera.intrinsic(scene.settings.image_size[0])
    intrinsic[:2, 2] -= 0.5  # drawing counts from the centre of the first pixel
    town_from_camera = scene.town_from_ego(time) @ camera.ego_from_camera
    camera_from_town = inverse(town_from_camera)
    present = scene.present(time)
    town_from_actors = scene.town_from_actors(present, time)
    nearness = np.zeros((height, width))
    hits = np.full((height, width), -1)
    owners = np.full((height, width), SKY)
    _draw(scene.static.triangles, camera_from_town, intrinsic, TOWN, 0, nearness, hits, owners)
    starts = scene.model_forest.starts
    for number, index in enumerate(present):
        kind = scene.kinds.index(scene.actors[index].kind)
        triangles = scene.models.triangles[starts[kind] : starts[kind + 1]]
        _draw(
            triangles,
            camera_from_town @ town_from_actors[number],
            intrinsic,
            number,
            starts[kind],
            nearness,
            hits,
            owners,
        )
    paints = PAINTS[(present * 7 + scene.index) % len(PAINTS)].reshape(-1, 3)
    centres = [
        np.array([(street.centre, street.half, street.island) for street in streets]) for streets in scene.plan.streets
    ]
    image = shade(
        nearness,
        hits,
        owners,
        intrinsic,
        town_from_camera,
        np.array([inverse(m) for m in town_from_actors]).reshape(-1, 4, 4),
        scene.static.triangles,
        scene.static.material,
        scene.models.triangles,
        scene.models.material,
        paints,
        COLOURS,
        ROUGHNESS,
        *centres,
    )
    raw = np.where(
        owners == TOWN,
        scene.static.raw[hits],
        np.where(owners >= 0, scene.models.raw[np.minimum(hits, len(scene.models.raw) - 1)], 0),
    )
    actors = np.where(owners >= 0, present[owners] if len(present) else owners, owners)
    with np.errstate(divide='ignore'):
        return Picture(image, raw.astype(np.uint8), actors, 1 / nearness)


@njit(cache=True)
def _draw(triangles, camera_from_mesh, intrinsic, owner, first, nearness, hits, owners):
    """Draw triangles (T, 3, 3) over what is farther; `nearness` holds 1 / depth, `hits` counts from `first`."""
    m = camera_from_mesh
    corners = np.empty((3, 3))
    clipped = np.empty((4, 3))
    for t in range(len(triangles)):
        behind = 0
        for k in range(3):
            x, y, z = triangles[t, k, 0], triangles[t, k, 1], triangles[t, k, 2]
            for i in range(3):
                corners[k, i] = m[i, 0] * x + m[i, 1] * y + m[i, 2] * z + m[i, 3]
            if corners[k, 2] < NEAREST:
                behind += 1
        if behind == 3:
            continue
        if behind == 0:
            _fill(corners[0], corners[1], corners[2], intrinsic, owner, first + t, nearness, hits, owners)
            continue
        size = 0
        for k in range(3):
            a, b = corners[k], corners[(k + 1) % 3]
            if a[2] >= NEAREST:
                clipped[size] = a
                size += 1
            if (a[2] >= NEAREST) != (b[2] >= NEAREST):
                clipped[size] = a + (b - a) * ((NEAREST - a[2]) / (b[2] - a[2]))
                size += 1
        for k in range(1, size - 1):
            _fill(clipped[0], clipped[k], clipped[k + 1], intrinsic, owner, first + t, nearness, hits, owners)


@njit(cache=True, inline='always')
def _fill(a, b, c, intrinsic, owner, triangle, nearness, hits, owners):
    """Draw one triangle given by three corners in front of the camera."""
    height, width = nearness.shape
    f, cu, cv = intrinsic[0, 0], intrinsic[0, 2], intrinsic[1, 2]
    wa, wb, wc = 1 / a[2], 1 / b[2], 1 / c[2]
    ua, ub, uc = f * a[0] * wa + cu, f * b[0] * wb + cu, f * c[0] * wc + cu
    left, right = max(0, int(np.ceil(min(ua, ub, uc)))), min(width - 1, int(np.floor(max(ua, ub, uc))))
    if left > right:
        return
    va, vb, vc = f * a[1] * wa + cv, f * b[1] * wb + cv, f * c[1] * wc + cv
    top, bottom = max(0, int(np.ceil(min(va, vb, vc)))), min(height - 1, int(np.floor(max(va, vb, vc))))
    if top > bottom:
        return
    area = (ub - ua) * (vc - va) - (uc - ua) * (vb - va)
    if abs(area) < 1e-12:
        return
    for row in range(top, bottom + 1):
        for column in range(left, right + 1):
            p = ((ub - column) * (vc - row) - (uc - column) * (vb - row)) / area
            q = ((uc - column) * (va - row) - (ua - column) * (vc - row)) / area
            if p >= -1e-12 and q >= -1e-12 and p + q <= 1 + 1e-12:
                near = p * wa + q * wb + (1 - p - q) * wc
                if near > nearness[row, column]:
                    nearness[row, column], hits[row, column], owners[row, column] = near, triangle, owner
