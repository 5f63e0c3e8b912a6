"""Materials of surfaces: colour for the cameras, brightness for the lidar."""

from enum import IntEnum

import numpy as np


class Material(IntEnum):
    """Material of a surface; `PAINT` takes the colour of the instance."""

    PAINT = 0
    GLASS = 1
    RUBBER = 2
    SKIN = 3
    CLOTH = 4
    METAL = 5
    CONCRETE = 6
    FACADE = 7
    LEAF = 8
    BARK = 9
    ASPHALT = 10
    PAVING = 11
    GRASS = 12
    PLAZA = 13
    ORANGE = 14
    WHITE = 15
    YELLOW = 16
    KERB = 17
    RED = 18
    BRICK = 19
    PLASTER = 20


COLOURS = np.array([
    (128, 128, 128), (42, 52, 62), (28, 28, 30), (200, 150, 120), (52, 58, 88), (120, 124, 130), (150, 146, 140),
    (168, 140, 116), (62, 104, 44), (88, 68, 50), (82, 82, 86), (156, 150, 142), (104, 132, 66), (172, 132, 112),
    (232, 98, 24), (228, 228, 226), (222, 168, 34), (184, 182, 176), (196, 40, 36), (142, 84, 66), (208, 202, 186),
], np.float64)  # fmt: skip
"""(21, 3) RGB of each material."""

ROUGHNESS = np.array([4, 3, 5, 6, 14, 8, 14, 12, 46, 26, 14, 18, 30, 16, 8, 6, 8, 8, 8, 14, 10], np.float64)
"""(21,) how much the colour varies over a surface, in steps of 255."""

REFLECTIVITY = np.array([60, 14, 6, 35, 25, 70, 40, 32, 22, 16, 9, 20, 16, 18, 90, 130, 80, 30, 70, 24, 45], np.float64)
"""(21,) intensity of a lidar return at normal incidence, of 255."""

PAINTS = np.array([
    (178, 30, 34), (36, 66, 138), (226, 226, 224), (34, 36, 40), (146, 150, 154), (92, 96, 100), (206, 164, 60),
    (48, 98, 84), (122, 44, 96), (66, 128, 176), (190, 96, 46), (70, 60, 52),
], np.float64)  # fmt: skip
"""(12, 3) RGB that instances are painted with."""
