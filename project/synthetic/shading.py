"""Colours of pixels: sun and sky light, colours of materials, and patterns that distinguish materials."""

import numpy as np
from numba import njit

from project.synthetic.materials import Material

SUN = np.array([0.45, 0.3, 0.84])
HAZE_M = 260.0
"""Distance at which haze has taken two thirds of the contrast."""

ASPHALT, FACADE, PAINT, PAVING = int(Material.ASPHALT), int(Material.FACADE), int(Material.PAINT), int(Material.PAVING)
LEAF, GRASS, BRICK, PLASTER = int(Material.LEAF), int(Material.GRASS), int(Material.BRICK), int(Material.PLASTER)


@njit(cache=True)
def shade(
    nearness,
    hits,
    owners,
    intrinsic,
    town_from_camera,
    actors_from_town,
    town_triangles,
    town_material,
    model_triangles,
    model_material,
    paints,
    colours,
    roughness,
    streets_x,
    streets_y,
):
    """(H, W, 3) uint8 RGB of what :mod:`project.synthetic.rasterizer` drew."""
    height, width = nearness.shape
    image = np.empty((height, width, 3), np.uint8)
    ray, place, colour, normal = np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    centre = town_from_camera[:3, 3]
    for row in range(height):
        for column in range(width):
            x, y = (column - intrinsic[0, 2]) / intrinsic[0, 0], (row - intrinsic[1, 2]) / intrinsic[1, 1]
            for k in range(3):
                ray[k] = town_from_camera[k, 0] * x + town_from_camera[k, 1] * y + town_from_camera[k, 2]
            length = np.sqrt(ray[0] ** 2 + ray[1] ** 2 + ray[2] ** 2)
            owner = owners[row, column]
            if nearness[row, column] == 0:
                _sky(ray[2] / length, colour)
            else:
                depth = 1 / nearness[row, column]
                for k in range(3):
                    place[k] = centre[k] + ray[k] * depth
                hit = hits[row, column]
                if owner >= 0:
                    m, triangle, material = actors_from_town[owner], model_triangles[hit], model_material[hit]
                    px, py, pz = place[0], place[1], place[2]
                    for k in range(3):
                        place[k] = m[k, 0] * px + m[k, 1] * py + m[k, 2] * pz + m[k, 3]
                else:
                    m, triangle, material = np.eye(4), town_triangles[hit], town_material[hit]
                light = _light(triangle, m, ray, normal)
                colour[:] = paints[owner] if material == PAINT and owner >= 0 else colours[material]
                distance = depth * length
                _pattern(colour, material, place, normal, roughness[material], distance, streets_x, streets_y)
                haze = 1 - np.exp(-((distance / HAZE_M) ** 1.5))
                for k in range(3):
                    colour[k] *= light
                far = (196.0, 206.0, 216.0)
                for k in range(3):
                    colour[k] += (far[k] - colour[k]) * haze
            for k in range(3):
                image[row, column, k] = int(min(255.0, max(0.0, colour[k])))
    return image


@njit(cache=True)
def _sky(rise, colour):
    share = min(1.0, max(0.0, rise * 2.2))
    colour[0], colour[1], colour[2] = 206 - 88 * share, 216 - 58 * share, 226 - 16 * share


@njit(cache=True)
def _light(triangle, local_from_town, ray, normal):
    """Brightness of a triangle; `normal` receives its normal in its own frame, towards the camera."""
    ax, ay, az = triangle[1, 0] - triangle[0, 0], triangle[1, 1] - triangle[0, 1], triangle[1, 2] - triangle[0, 2]
    bx, by, bz = triangle[2, 0] - triangle[0, 0], triangle[2, 1] - triangle[0, 1], triangle[2, 2] - triangle[0, 2]
    normal[0], normal[1], normal[2] = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    scale = 1 / np.sqrt(normal[0] ** 2 + normal[1] ** 2 + normal[2] ** 2)
    m = local_from_town
    facing = sun = up = 0.0
    for k in range(3):
        in_town = (m[0, k] * normal[0] + m[1, k] * normal[1] + m[2, k] * normal[2]) * scale
        facing += in_town * ray[k]
        sun += in_town * SUN[k]
        if k == 2:
            up = in_town
    sign = -1.0 if facing > 0 else 1.0
    for k in range(3):
        normal[k] *= scale * sign
    return 0.46 + 0.14 * sign * up + 0.5 * max(0.0, sign * sun)


@njit(cache=True)
def _random(i, j, k):
    """A number in -1..1 that belongs to three whole numbers."""
    h = np.uint32(i * 73856093) ^ np.uint32(j * 19349663) ^ np.uint32(k * 83492791)
    h = (h ^ (h >> np.uint32(15))) * np.uint32(2246822519)
    h = (h ^ (h >> np.uint32(13))) * np.uint32(3266489917)
    return np.float64(h & np.uint32(0xFFFF)) / 32767.5 - 1


@njit(cache=True)
def _pattern(colour, material, place, normal, rough, distance, streets_x, streets_y):
    """Vary a colour over a surface; patterns finer than a pixel fade with the distance."""
    x, y, z = place
    fine = 14.0 if material != LEAF and material != GRASS else 7.0
    grain = (
        rough
        * _random(int(np.floor(x * fine)), int(np.floor(y * fine)), int(np.floor(z * fine)))
        / (1 + distance * 0.05)
    )
    coarse = 0.5 * rough * _random(int(np.floor(x * 1.3)), int(np.floor(y * 1.3)), int(np.floor(z * 1.3)))
    for k in range(3):
        colour[k] += 0.6 * grain + coarse
    if (material in (FACADE, BRICK, PLASTER)) and abs(normal[2]) < 0.5:
        along = x if abs(normal[1]) > abs(normal[0]) else y
        if 0.28 < (along / 2.6) % 1.0 < 0.74 and 0.32 < (z / 3.0) % 1.0 < 0.78:
            tone = 0.3 + 0.1 * _random(int(np.floor(along / 2.6)), int(np.floor(z / 3.0)), 7)
            colour[0], colour[1], colour[2] = 150 * tone, 190 * tone, 220 * tone
    elif material == PAVING and (x % 1.0 < 0.04 or y % 1.0 < 0.04) and distance < 25:
        for k in range(3):
            colour[k] *= 0.8
    elif material == ASPHALT and _marked(x, y, streets_x, streets_y):
        for k in range(3):
            colour[k] += 0.75 * (226 - colour[k])


@njit(cache=True)
def _marked(x, y, streets_x, streets_y):
    """Whether the road is painted at a place: middle lines, parking strips and stop lines."""
    for axis in range(2):
        along, across = (x, y) if axis == 0 else (y, x)
        own, other = (streets_x, streets_y) if axis == 0 else (streets_y, streets_x)
        for s in range(len(own)):
            offset = abs(across - own[s, 0])
            if offset > own[s, 1]:
                continue
            clear = np.inf
            for o in range(len(other)):
                clear = min(clear, abs(along - other[o, 0]) - other[o, 1])
            if clear < 3.2:
                return 2.0 < clear < 2.9 and offset < own[s, 2] + 3.4 and (across * 1.25) % 1.0 < 0.6
            if own[s, 2] == 0.0 and offset < 0.07:
                return along % 6.0 < 3.2
            return abs(offset - own[s, 2] - 3.4) < 0.05 and along % 2.0 < 1.2
    return False
