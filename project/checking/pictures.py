"""Pictures of a keyframe: its labels, and the result of the rays."""

import numpy as np

from project.checking.scene_check import KeyframeReport, SceneReport
from project.formats import OccupancyLabels
from project.taxonomy import FREE
from project.visualization.frame import Frame, Layer
from project.visualization.render.drawing import caption
from project.visualization.render.picture import render_voxels
from project.visualization.render.pixels import jpeg
from project.visualization.render.viewpoints import following_view, overhead_view

COLOURS = {'labels': (205, 210, 216), 'stops rays too early': (213, 60, 0), 'empty, but rays end here': (0, 104, 190)}
"""Meaning and colour of the voxels in the picture of rays; readers who confuse red and green can distinguish them,
too."""

HEIGHT_PX = 420


def keyframe_pictures(scene: SceneReport, keyframe: KeyframeReport, labels: OccupancyLabels) -> dict[str, bytes]:
    """JPEG pictures by their title: the labels from behind, the result of the rays from behind and from above."""
    grid, dense = labels.grid, labels.dense()
    frame = Frame(scene.name, keyframe.index, keyframe.token, grid, dense, labels=scene.label_set)
    codes = np.where(dense == FREE, np.uint8(255), np.uint8(0)).ravel()
    codes[keyframe.ghosts], codes[keyframe.holes] = 1, 2
    outcomes = Layer('rays', codes.reshape(grid.shape), tuple(COLOURS), np.array(list(COLOURS.values()), np.uint8))
    behind = following_view(grid, HEIGHT_PX * 4 // 3, HEIGHT_PX)
    above = overhead_view(grid, HEIGHT_PX, HEIGHT_PX)
    views = {
        'labels': (frame.layers[0], behind),
        'rays': (outcomes, behind),
        'rays, from above': (outcomes, above),
    }
    return {title: _jpeg(render_voxels(frame, layer, view), title) for title, (layer, view) in views.items()}


def _jpeg(picture: np.ndarray, title: str) -> bytes:
    caption(picture, title[0].upper() + title[1:], 16)
    return jpeg(picture, quality=85)
