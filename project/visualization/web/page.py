"""The browser page: one HTML text with style, scripts and, where it must live without a server, the frames inside."""

import base64
import gzip
import json
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

import numpy as np

from project.formats.common import written_whole
from project.taxonomy import FREE
from project.visualization.frame import DIFFERENCE_NAMES, DIFFERENCE_PALETTE, CameraImage, Frame
from project.visualization.render.camera import Camera
from project.visualization.render.camera_images import image_size, load_image
from project.visualization.render.pixels import jpeg, resized
from project.visualization.render.viewpoints import ego_car, following_pose, overhead_pose
from project.visualization.scores import frame_scores

PARTS = Path(__file__).parent / 'static'
SCRIPTS = ('data', 'faces', 'paint', 'voxels', 'overlays', 'stage', 'state', 'panel', 'keys', 'main')
"""Scripts of the page, in the order in which they are joined."""

IMAGE_WIDTH_PX = 480
"""Width of camera images inside a page."""


def write_page(path: str | Path, frames: Iterable[Frame]) -> None:
    """Write frames of one scene as one HTML file that needs no server and no network.

    Raises:
        ValueError: there is no frame.
    """
    resources: dict[str, bytes] = {}
    scenes: dict[str, list[dict]] = {}
    first = None
    for frame in frames:
        first = first or frame
        scenes.setdefault(frame.scene, []).append({'index': frame.index, 'token': frame.token})
        resources[frame_name(frame.scene, frame.index)] = encode_frame(frame)
        for camera in frame.cameras:
            resources[image_name(frame, camera)] = small_jpeg(camera)
    if first is None:
        raise ValueError(f'{path}: no frames')
    with written_whole(path) as file:
        file.write(page(manifest(scenes, first), resources).encode())


def manifest(scenes: dict[str, list[dict]], first: Frame) -> dict:
    """Data that the page needs before it loads a frame.

    Args:
        scenes: ``{'index': place in the scene, 'token': token}`` of each frame of each scene.
        first: the frame to begin with; its grid sets the cameras, its labels the legend.
    """
    classes = {'names': first.labels.names[:FREE], 'palette': first.labels.palette[:FREE]}
    difference = {'names': DIFFERENCE_NAMES, 'palette': DIFFERENCE_PALETTE.tolist()}
    return {
        'scenes': scenes,
        'scene': first.scene,
        'layers': {'labels': classes, 'truth': classes, 'prediction': classes, 'difference': difference},
        'views': {
            'follow': following_pose(first.grid).ravel().tolist(),
            'above': overhead_pose(first.grid).ravel().tolist(),
        },
        'ego_car': ego_car(first.grid).tolist(),
    }


def page(contents: dict, resources: dict[str, bytes] | None = None) -> str:
    """The HTML of the page.

    Args:
        contents: the :func:`manifest`.
        resources: files to put into the page, by name; what is not there is asked of the server.
    """
    elements = [
        f'<script type="text/plain" id="{name}">{base64.b64encode(content).decode()}</script>'
        for name, content in (resources or {}).items()
    ]
    parts = {
        'style': _part('style.css'),
        'three': _part('vendor/three.js'),
        'script': '\n'.join(_part(f'{name}.js') for name in SCRIPTS),
        # A "<" inside JSON could end the element that holds it.
        'manifest': json.dumps(contents).replace('<', '\\u003c'),
        'resources': '\n'.join(elements),
    }
    return re.sub(r'\{\{(\w+)\}\}', lambda match: parts[match[1]], _part('index.html'))


def frame_name(scene: str, index: int) -> str:
    """Name of a frame's data for the page."""
    return f'frames/{quote(scene, safe="")}/{index}'


def image_name(frame: Frame, camera: CameraImage) -> str:
    """Name of a camera image for the page."""
    return f'images/{quote(frame.scene, safe="")}/{frame.index}/{quote(camera.name, safe="")}'


def encode_frame(frame: Frame) -> bytes:
    """A frame for the page: gzip of the length of a JSON header (uint32, little-endian), the header and byte arrays.

    One bit for each voxel of the grid says whether any layer holds something there; each such voxel has one byte for
    each layer and each mask. That is less than its exposed sides would be, and the page can find the sides again when a
    class or a mask is switched. Only exposed sides reach the graphics card.
    """
    occupied = np.any([layer.occupied() for layer in frame.layers], axis=0)
    arrays = {'occupied': np.packbits(occupied)}
    arrays |= {layer.name: layer.codes[occupied] for layer in frame.layers}
    arrays |= {f'mask_{name}': mask[occupied].view(np.uint8) for name, mask in frame.masks.items()}
    if frame.points is not None:
        near = frame.points[(np.abs(frame.points) < 300).all(axis=1)]
        arrays['points'] = (near * 100).round().astype('<i2')
    places, offset = {}, 0
    for name, array in arrays.items():
        places[name] = (offset, array.nbytes)
        offset += array.nbytes
    scored = [None, *frame.masks] if frame.compared else []
    header = {
        'scene': frame.scene,
        'index': frame.index,
        'token': frame.token,
        'grid': {key: getattr(frame.grid, key) for key in ('minimum', 'voxel_size', 'shape')},
        'layers': [layer.name for layer in frame.layers],
        'masks': list(frame.masks),
        'scores': {mask or '': _scores(frame, mask) for mask in scored},
        'boxes': [
            {'grid_from_box': box.grid_from_box.ravel().tolist(), 'size': box.size, 'label': box.label}
            for box in frame.boxes
        ],
        'cameras': [_camera(frame, camera) for camera in frame.cameras],
        'arrays': places,
    }
    text = json.dumps(header).encode()
    content = len(text).to_bytes(4, 'little') + text + b''.join(map(np.ndarray.tobytes, arrays.values()))
    return gzip.compress(content, compresslevel=1, mtime=0)


def _camera(frame: Frame, camera: CameraImage) -> dict:
    width, height = image_size(camera)
    rays = Camera.projecting(camera.image_from_grid, width, height)
    corners = [rays.directions @ (u, v, 1) for v in (0, height) for u in (0, width)]
    return {
        'image': image_name(frame, camera),
        'position': rays.origins[:, 2].tolist(),
        'corners': np.ravel(corners).tolist(),
    }


def _scores(frame: Frame, mask: str | None) -> dict:
    scores = frame_scores(frame, mask)
    figures = [scores.mean_iou, scores.geometric_iou, *scores.class_iou]
    mean, geometric, *classes = (None if np.isnan(value) else round(float(value), 4) for value in figures)
    return {
        'mean_iou': mean,
        'geometric_iou': geometric,
        'class_iou': dict(zip(frame.labels.class_names, classes, strict=True)),
    }


def small_jpeg(camera: CameraImage) -> bytes:
    """A camera's image as a JPEG of :data:`IMAGE_WIDTH_PX`."""
    image = load_image(camera)
    height_px = round(image.shape[0] * IMAGE_WIDTH_PX / image.shape[1])
    return jpeg(resized(image, IMAGE_WIDTH_PX, height_px), quality=75)


def _part(name: str) -> str:
    return (PARTS / name).read_text()
