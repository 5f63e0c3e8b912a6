#!/usr/bin/env python
"""Predict occupancy with a model that tools/export.py wrote, from the images of all cameras and their calibration.

This one file and what the export wrote (MODEL and MODEL.json) are all that a machine needs, beside numpy, OpenCV and
torch, or onnxruntime in place of torch for a model in ONNX.
"""

import argparse
import json
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

EXAMPLES = """examples:
  python predict_exported.py occupancy.pt2 --calibration rig.json --out labels.npz --images \\
      CAM_FRONT=front.jpg CAM_FRONT_RIGHT=fr.jpg CAM_FRONT_LEFT=fl.jpg \\
      CAM_BACK=back.jpg CAM_BACK_LEFT=bl.jpg CAM_BACK_RIGHT=br.jpg
  the same from a program:
      model = ExportedModel('occupancy.pt2')
      labels = model.predict(images, calibration)    # (X, Y, Z) uint8 labels 0-17; see model.metadata

rig.json has the calibration of each camera, (3, 3) pixels from camera frame and a (4, 4) pose, in metres:
  {"CAM_FRONT": {"intrinsics": [[...], ...], "lidar_from_camera": [[...], ...]}, ...}
  (ego_from_camera where the model's grid is fixed to the ego frame)
labels.npz holds one array, arr_0: (X, Y, Z) uint8 labels, 17 = free; the layout of an Occ3D submission.
"""


class ExportedModel:
    """A model in a file.

    Args:
        path: what ``tools/export.py`` wrote; ``<path>.json`` must lie beside it.

    Attributes:
        metadata: content of the .json: ``cameras``, ``image_size``, ``grid``, ``label_names`` and more.

    Raises:
        FileNotFoundError, ValueError: a file is missing, or is something else.
    """

    def __init__(self, path: str | Path):
        path = Path(path)
        about = Path(f'{path}.json')
        for file in (path, about):
            if not file.is_file():
                raise FileNotFoundError(f'{file}: missing; tools/export.py writes a model and its .json')
        try:
            self.metadata = json.loads(about.read_text())
            self._slots = self.metadata.get('slots')
            self._compute = READERS[self.metadata['format']](path, self.metadata)
        except (json.JSONDecodeError, KeyError) as error:
            raise ValueError(f'{about}: not the description of an exported model ({error!r})') from None

    def predict(self, images: Mapping[str, np.ndarray], calibration: Mapping[str, Mapping[str, Any]]) -> np.ndarray:
        """Label every voxel.

        Args:
            images: of each camera an (H, W, 3) uint8 array in BGR, as ``cv2.imread`` gives it.
            calibration: of each camera ``intrinsics`` and ``lidar_from_camera`` or ``ego_from_camera``.

        Returns:
            (X, Y, Z) uint8 labels 0-17.

        Raises:
            ValueError: an image or a calibration is missing, or is not what the model takes.
        """
        cameras = self.metadata['cameras']
        for given, what in ((images, 'image'), (calibration, 'calibration')):
            missing = [name for name in cameras if name not in given]
            if missing:
                raise ValueError(f'no {what} of {", ".join(missing)}; the model needs {", ".join(cameras)}')
        pixels = np.stack([self._scaled(name, images[name]) for name in cameras])
        projections = np.stack([self._projection(name, calibration[name]) for name in cameras]).astype(np.float32)
        if self._slots is None:
            return self._compute(pixels, projections)[0]
        while True:
            labels, seen = self._compute(pixels, projections, np.zeros(self._slots, np.int64))
            if seen <= self._slots:
                return labels
            # These cameras see more of the ground than those before: compute again, from now on with some to spare.
            self._slots = min(int(1.1 * seen) + 1, self.metadata['queries'])

    def _scaled(self, name: str, image: np.ndarray) -> np.ndarray:
        size = tuple(self.metadata['image_size'])
        if image.dtype != np.uint8 or image.shape != (*size, 3):
            raise ValueError(
                f'{name}: the image is {image.shape} {image.dtype}; this model takes {size[1]}x{size[0]} pixels, '
                f'{(*size, 3)} uint8'
            )
        image = image.astype(self.metadata['dtype'])
        factor = self.metadata['scale']
        if factor == 1:
            return image
        return cv2.resize(image, (int(size[1] * factor), int(size[0] * factor)), interpolation=cv2.INTER_LINEAR)

    def _projection(self, name: str, camera: Mapping[str, Any]) -> np.ndarray:
        """(4, 4) float64 pixels of the scaled image from the grid's frame."""
        factor = self.metadata['scale']
        pixels_from_camera = _matrix(name, camera, 'intrinsics', 3)
        grid_from_camera = _matrix(name, camera, f'{self.metadata["grid"]["frame"]}_from_camera', 4)
        return np.diag([factor, factor, 1.0, 1.0]) @ pixels_from_camera @ np.linalg.inv(grid_from_camera)


def _matrix(name: str, camera: Mapping[str, Any], key: str, size: int) -> np.ndarray:
    """(4, 4) float64 with a matrix of the calibration of that size at the top left."""
    if key not in camera:
        raise ValueError(f'{name}: its calibration has no {key} (it has {", ".join(camera) or "nothing"})')
    matrix = np.asarray(camera[key], np.float64)
    if matrix.shape != (size, size) or not np.isfinite(matrix).all() or (matrix[-1] != np.eye(size)[-1]).any():
        last = np.eye(size, dtype=int)[-1].tolist()
        raise ValueError(f'{name}: {key} must be {size}x{size} finite numbers with the last row {last}')
    padded = np.eye(4)
    padded[:size, :size] = matrix
    return padded


def read_torch(path: Path, metadata: dict) -> Callable[..., Sequence[np.ndarray]]:
    """A program of torch.export, or a package of AOTInductor, as a function of arrays."""
    import torch

    if metadata['device'].startswith('cuda') and not torch.cuda.is_available():
        raise ValueError(f'{path}: exported for a GPU, and torch sees none here; export it with --device cpu')
    warnings.filterwarnings('ignore', 'The given buffer is not writable')  # nor is it written to
    try:
        if metadata['format'] == 'aoti':
            program = torch._inductor.aoti_load_package(str(path))
        else:
            program = torch.export.load(path).module()
    except Exception as error:
        made = f'it was made with torch {metadata["versions"]["torch"]}, and this is {torch.__version__}'
        raise ValueError(f'{path}: cannot be loaded ({type(error).__name__}: {error}); {made}') from error

    def compute(*arrays: np.ndarray) -> Sequence[np.ndarray]:
        with torch.no_grad():
            found = program(*(torch.from_numpy(array).to(metadata['device']) for array in arrays))
        return [each.cpu().numpy() for each in (found if isinstance(found, (tuple, list)) else [found])]

    return compute


def read_onnx(path: Path, metadata: dict) -> Callable[..., Sequence[np.ndarray]]:
    """A model in ONNX as a function of arrays."""
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(path, providers=onnxruntime.get_available_providers())
    except Exception as error:  # its errors have no class in common
        raise ValueError(f'{path}: cannot be loaded ({error})') from None
    names = [each.name for each in session.get_inputs()]

    def compute(*arrays: np.ndarray) -> Sequence[np.ndarray]:
        return session.run(None, dict(zip(names, arrays, strict=True)))

    return compute


READERS = {'torch_export': read_torch, 'aoti': read_torch, 'onnx': read_onnx}


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('model', type=Path, metavar='MODEL', help='file that tools/export.py wrote')
    parser.add_argument('--images', nargs='+', required=True, metavar='CAMERA=FILE', help='image of each camera')
    parser.add_argument('--calibration', type=Path, required=True, metavar='JSON', help='of each camera')
    parser.add_argument('--out', type=Path, required=True, metavar='NPZ', help='file for the labels')
    options = parser.parse_args(arguments)
    if not all('=' in each for each in options.images):
        parser.error('--images takes CAMERA=FILE, for example CAM_FRONT=front.jpg')
    return options


def read_image(path: str) -> np.ndarray:
    """(H, W, 3) uint8 BGR.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not an image, is damaged or was cut off.
    """
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f'{path}: missing') from None
    image = None if is_cut_off(content) else cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f'{path}: not an image that can be read, or only a part of one')
    return image


def is_cut_off(content: bytes) -> bool:
    """Whether there is nothing, or a JPEG's last scan has no end marker: OpenCV would fill up with grey."""
    if not content.startswith(b'\xff\xd8'):
        return not content
    # Data of a scan holds neither marker; a thumbnail, which comes before, may hold both.
    return content.find(b'\xff\xda', content.rfind(b'\xff\xd9') + 1) >= 0


def read_calibration(path: Path) -> dict:
    """Content of a JSON file.

    Raises:
        ValueError: it is not JSON.
    """
    try:
        return json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f'{path}: not JSON ({error})') from None


def main(arguments: list[str] | None = None) -> int:
    """Run the program; returns the exit code."""
    options = parse_arguments(arguments)
    try:
        model = ExportedModel(options.model)
        images = {name: read_image(file) for name, file in (each.split('=', 1) for each in options.images)}
        labels = model.predict(images, read_calibration(options.calibration))
        aside = options.out.with_name(options.out.name + '.part')
        with open(aside, 'wb') as file:
            np.savez_compressed(file, labels)
        os.replace(aside, options.out)
    except (OSError, ValueError, ImportError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    names = model.metadata['label_names']
    counts = np.bincount(labels.ravel(), minlength=len(names))
    print(
        f'{options.out}: '
        + ', '.join(f'{names[label]} {counts[label]}' for label in np.argsort(-counts) if counts[label])
    )
    return 0


if __name__ == '__main__':
    sys.exit(main())
