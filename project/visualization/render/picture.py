"""One picture of a frame: voxels from behind and from above, truth beside prediction and difference, camera images."""

import numpy as np

from project.taxonomy import NOISE
from project.visualization.frame import DIFFERENCE_NAMES, DIFFERENCE_PALETTE, CameraImage, Frame, Layer
from project.visualization.render.camera import Camera
from project.visualization.render.camera_images import around, overlaid
from project.visualization.render.drawing import BACKGROUND, FAINT, blank, caption, legend, text_size, text_width, write
from project.visualization.render.raycast import MISS, SOLID, cast, shaded
from project.visualization.render.viewpoints import ego_car, following_view, overhead_view
from project.visualization.scores import frame_scores

EGO_COLOURS = ((252, 252, 252), (72, 82, 96))
"""Body and cabin of the ego car."""
GAP_PX = 6
TITLE_PX, TEXT_PX = 24, 18
"""Sizes of text on a sheet of 1440 pixels."""
_GAP = 6 * ' '


def frame_picture(frame: Frame, mask: str | None = None, width_px: int = 1920) -> np.ndarray:
    """Everything about a frame on one sheet.

    Args:
        frame: what to show.
        mask: ``'lidar'`` or ``'camera'`` to show (and score) only the voxels inside that mask.
        width_px: width of the picture.

    Returns:
        (H, width_px, 3) uint8 RGB.

    Raises:
        ValueError: the frame has no such mask.
    """
    selected = None if mask is None else frame.mask(mask)
    rows = [_title(frame, mask, width_px), *_voxel_rows(frame, selected, width_px)]
    above, below = around(frame.grid, frame.cameras)
    for place, cameras in ((1, above), (len(rows) + 1, below)):
        if cameras:
            rows.insert(place, _side_by_side(_images(frame, cameras, selected, width_px), width_px))
    rows.append(_legend(frame, width_px))
    gap = blank(GAP_PX, width_px)
    return np.concatenate([piece for row in rows for piece in (row, gap)])


def render_voxels(
    frame: Frame, layer: Layer, camera: Camera, mask: np.ndarray | None = None, smooth: int = 2
) -> np.ndarray:
    """Draw the voxels of a layer and the ego car.

    Args:
        frame: where the layer is from.
        layer: what to draw.
        camera: from where.
        mask: (X, Y, Z) bool, the voxels to draw; all by default.
        smooth: rays along each side of a pixel.

    Returns:
        (camera.height_px, camera.width_px, 3) uint8 RGB.
    """
    hits = cast(frame.grid, layer.occupied(mask), camera.scaled(smooth), ego_car(frame.grid))
    colours = np.concatenate([layer.palette, EGO_COLOURS, [BACKGROUND]])
    codes = np.full(hits.positions.shape, len(colours) - 1, np.uint8)
    car = hits.positions <= SOLID
    codes[car] = len(layer.names) + SOLID - hits.positions[car]
    voxels = hits.positions > MISS
    codes[voxels] = layer.codes.ravel()[hits.positions[voxels]]
    picture = shaded(colours, codes, hits)
    pixels = picture.reshape(camera.height_px, smooth, camera.width_px, smooth, 3)
    # Three times as fast as the mean along both axes.
    parts = [pixels[:, row, :, column] for row in range(smooth) for column in range(smooth)]
    return np.round(sum(parts) / smooth**2).astype(np.uint8)


def _voxel_rows(frame: Frame, mask: np.ndarray | None, width_px: int) -> list[np.ndarray]:
    """From behind and from above: in one row when there is one layer, in two rows when there are three."""
    if len(frame.layers) == 1:
        narrow = _panel_width(width_px, 3)
        behind = following_view(frame.grid, width_px - narrow - GAP_PX, narrow)
        above = overhead_view(frame.grid, narrow, narrow)
        layer = frame.layers[0]
        wanted = [(layer, behind, layer.name), (layer, above, 'from above')]
        return [_side_by_side(_panels(frame, wanted, mask, width_px), width_px)]
    panel = _panel_width(width_px, len(frame.layers))
    behind, above = following_view(frame.grid, panel, panel * 4 // 5), overhead_view(frame.grid, panel, panel)
    return [
        _side_by_side(
            _panels(frame, [(layer, view, layer.name + suffix) for layer in frame.layers], mask, width_px), width_px
        )
        for view, suffix in ((behind, ''), (above, ', from above'))
    ]


def _panels(
    frame: Frame, wanted: list[tuple[Layer, Camera, str]], mask: np.ndarray | None, width_px: int
) -> list[np.ndarray]:
    panels = []
    for layer, view, title in wanted:
        panels.append(render_voxels(frame, layer, view, mask))
        caption(panels[-1], title[0].upper() + title[1:], text_size(TEXT_PX, width_px))
    return panels


def _images(frame: Frame, cameras: list[CameraImage], mask: np.ndarray | None, width_px: int) -> list[np.ndarray]:
    """Images with the prediction over them or, where there is none, the labels."""
    layer = frame.layers[1 if frame.compared else 0]
    occupied, suffix = layer.occupied(mask), f', {layer.name}' if frame.compared else ''
    pictures = []
    for camera in cameras:
        width = _panel_width(width_px, max(len(cameras), 3))
        pictures.append(overlaid(frame.grid, layer, occupied, camera, width))
        caption(pictures[-1], camera.name + suffix, text_size(TEXT_PX, width_px))
    return pictures


def _panel_width(width_px: int, count: int) -> int:
    return (width_px - (count - 1) * GAP_PX) // count


def _side_by_side(panels: list[np.ndarray], width_px: int) -> np.ndarray:
    """Panels of one height with gaps between them, on a strip of the given width."""
    strip = blank(max(panel.shape[0] for panel in panels), width_px)
    left = 0
    for panel in panels:
        strip[: panel.shape[0], left : left + panel.shape[1]] = panel
        left += panel.shape[1] + GAP_PX
    return strip


def _title(frame: Frame, mask: str | None, width_px: int) -> np.ndarray:
    title, title_px, text_px = (
        f'{frame.scene}   frame {frame.index}',
        text_size(TITLE_PX, width_px),
        text_size(TEXT_PX, width_px),
    )
    strip = blank(2 * title_px, width_px)
    write(strip, title, (title_px / 2, title_px), title_px, anchor='lm')
    about = [frame.token]
    if mask is not None:
        about.append(f'{mask} mask')
    if frame.compared:
        scores = frame_scores(frame, mask)
        about.append(f'mIoU {100 * scores.mean_iou:.1f}   geometric IoU {100 * scores.geometric_iou:.1f}')
    # On a narrow sheet the token goes first.
    while about and text_width(title, title_px) + text_width(_GAP.join(about), text_px) + 3 * title_px > width_px:
        about.pop(0)
    write(strip, _GAP.join(about), (width_px - title_px / 2, title_px), text_px, FAINT, anchor='rm')
    return strip


def _legend(frame: Frame, width_px: int) -> np.ndarray:
    """All classes, also those that do not occur: in a video they should not come and go."""
    size_px = text_size(TEXT_PX, width_px)
    labels = frame.labels
    classes = [(labels.names[label].replace('_', ' '), labels.palette[label]) for label in (*labels.classes, NOISE)]
    legends = [legend(classes, width_px, size_px)]
    if frame.compared:
        legends.append(legend(list(zip(DIFFERENCE_NAMES, DIFFERENCE_PALETTE, strict=True)), width_px, size_px))
    return np.concatenate(legends)
