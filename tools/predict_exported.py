#!/usr/bin/env python
"""Predict occupancy with a model that tools/export.py wrote, from the images of all cameras and their calibration.

This one file and what the export wrote (MODEL and MODEL.json) are all that a machine needs, beside numpy, OpenCV and
torch, or onnxruntime in place of torch for a model in ONNX.
"""

import argparse
import json
import os
import re
import sys
import warnings
import zipfile
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
        trust: take a file that is machine code, or holds what cannot be known to be harmless: it may do all that its
            user may. Without it a program of torch.export is checked before it is loaded, and ``aoti`` is refused.

    Attributes:
        metadata: content of the .json: ``cameras``, ``image_size``, ``grid``, ``label_names`` and more.

    Raises:
        FileNotFoundError, ValueError: a file is missing, or is something else.
    """

    def __init__(self, path: str | Path, trust: bool = False):
        path = Path(path)
        about = Path(f'{path}.json')
        for file in (path, about):
            if not file.is_file():
                raise FileNotFoundError(f'{file}: missing; tools/export.py writes a model and its .json')
        try:
            self.metadata = json.loads(about.read_bytes())
            self._slots = self.metadata.get('slots')
            read = READERS[self.metadata['format']]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f'{about}: not the description of an exported model ({error!r})') from None
        if not trust:
            check_harmless(path, self.metadata)
        self._compute = read(path, self.metadata)

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
        rows, columns = self._scaled_size
        return image if (rows, columns) == size else cv2.resize(image, (columns, rows), interpolation=cv2.INTER_LINEAR)

    @property
    def _scaled_size(self) -> tuple[int, int]:
        """Rows and columns of the scaled images, cut to whole pixels."""
        rows, columns = (int(side * self.metadata['scale']) for side in self.metadata['image_size'])
        return rows, columns

    def _projection(self, name: str, camera: Mapping[str, Any]) -> np.ndarray:
        """(4, 4) float64 pixels of the scaled image from the grid's frame."""
        # Sides are cut to whole pixels, so each has a factor of its own.
        vertical, horizontal = np.divide(self._scaled_size, self.metadata['image_size'])
        pixels_from_camera = _matrix(name, camera, 'intrinsics', 3)
        grid_from_camera = _matrix(name, camera, f'{self.metadata["grid"]["frame"]}_from_camera', 4)
        return np.diag([horizontal, vertical, 1.0, 1.0]) @ pixels_from_camera @ np.linalg.inv(grid_from_camera)


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


SAFE_PARTS = re.compile(
    r'data/(weights|constants)/((weight|tensor)_\d+|\w+_(weights|constants)_config\.json)|models/\w+\.json|'
    r'data/sample_inputs/\w+\.pt|archive_format|archive_version|byteorder|\.data/(version|serialization_id)|\.format_version'
)
SAFE_OPERATORS = re.compile(
    r'torch\.ops\.aten\.(?!from_file\b)\w+(\.\w+)?|torch\.ops\.higher_order\.wrap_with_(autocast|set_grad_enabled)|'
    r'torch\.sym_\w+|_operator\.(?!attrgetter|methodcaller)\w+|math\.\w+'
)
SAFE_IN_EXPRESSIONS = re.compile(
    r'(?:Symbol|Integer|Float|Rational|Add|Mul|Min|Max|Mod|PythonMod|FloorDiv|CeilDiv|CleanDiv|FloorToInt|CeilToInt|'
    r'TruncToInt|IntTrueDiv|ToFloat|Equality|Unequality|(?:Strict)?(?:Less|Greater)Than|And|Or|Not)\(|'
    r"'[su]\d+'|(?:positive|nonnegative|integer)=True|'-?[\d.e-]+'|precision=\d+|true|false|-?\d+|[(), ]"
)
SAFE_TREE = re.compile(r'(?!.*__)[\w\[\]{}:", .\\]*')
SAFE_TEXT = re.compile(r'[\w.:+-]*')
"""What files of tools/export.py hold. torch evaluates expressions, imports operators by name and compiles the rest."""


def check_harmless(path: Path, metadata: dict) -> None:
    """Make sure that a model only computes.

    Raises:
        ValueError: it is machine code, or holds something else than what tools/export.py writes.
    """
    advice = 'if you know who made it, and that it is as they made it, --trust (trust=True) loads it'
    if metadata['format'] == 'aoti':
        raise ValueError(f'{path}: is machine code, which may do all that you may; {advice}')
    if metadata['format'] != 'torch_export':
        return
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            stored = all(part.compress_type == zipfile.ZIP_STORED for part in parts)
            if not stored or sum(part.file_size for part in parts) > path.stat().st_size:
                raise ValueError('it unpacks to more than its own size')
            for part in parts:
                name = part.filename.partition('/')[2]
                if not SAFE_PARTS.fullmatch(name):
                    raise ValueError(f'it holds {name}')
                if name.endswith('.json'):
                    check_texts(json.loads(archive.read(part)))
    except zipfile.BadZipFile as error:
        raise ValueError(f'{path}: cannot be loaded ({error})') from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f'{path}: may do more than compute ({error}); {advice}') from None


def check_texts(content: Any, key: str = '') -> None:
    """Look at every text of a program; ``metadata`` says where operators came from and is not run.

    Raises:
        ValueError: one is not like those of tools/export.py.
    """
    if isinstance(content, dict):
        for name, value in content.items():
            check_texts(name)
            if name != 'metadata':
                check_texts(value, name)
    elif isinstance(content, list):
        for value in content:
            check_texts(value, key)
    elif isinstance(content, str) and key != 'as_string':
        safe = {'target': SAFE_OPERATORS, 'in_spec': SAFE_TREE, 'out_spec': SAFE_TREE}.get(key, SAFE_TEXT)
        is_safe = not SAFE_IN_EXPRESSIONS.sub('', content) if key == 'expr_str' else safe.fullmatch(content)
        if not is_safe:
            raise ValueError(f'{key} is {content[:60]!r}')


def read_torch(path: Path, metadata: dict) -> Callable[..., Sequence[np.ndarray]]:
    """A program of torch.export, or a package of AOTInductor, as a function of arrays."""
    import torch

    if metadata['device'].startswith('cuda') and not torch.cuda.is_available():
        raise ValueError(f'{path}: exported for a GPU, and torch sees none here; export it with --device cpu')
    warnings.filterwarnings('ignore', 'The given buffer is not writable')  # nor is it written to
    # What is pickled in a program is weights, which need no code; torch.export would run it.
    os.environ['TORCH_FORCE_WEIGHTS_ONLY_LOAD'] = '1'
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
    parser.add_argument(
        '--trust', action='store_true', help='run MODEL even if it is machine code (aoti) or may do more than compute'
    )
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
    try:
        image = None if is_cut_off(content) else cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:  # it says that it has more pixels than any camera
        image = None
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
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f'{path}: not JSON ({error})') from None


def main(arguments: list[str] | None = None) -> int:
    """Run the program; returns the exit code."""
    options = parse_arguments(arguments)
    try:
        model = ExportedModel(options.model, options.trust)
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
