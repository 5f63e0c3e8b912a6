"""Exports models as files; a program that loads them needs neither this project nor mmdet3d."""

import json
import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from mmengine.logging import print_log
from torch import nn
from torch.export import Dim, ExportedProgram

from project.datasets.image_augmentation import FitSurroundImages
from project.datasets.images import scaled
from project.datasets.transforms import LoadSurroundImages, PackOccupancyInputs, ScaleSurroundImages
from project.engine.versions import versions
from project.formats.common import written_whole
from project.inference.predictor import Predictor
from project.inference.program import LiftProgram, Program
from project.models import OccupancyLift
from project.models.ops.operator import plain_operators

INPUTS = ('images', 'image_from_grid', 'slots')
OUTPUTS = ('labels', 'most_seen')
"""Names in ONNX; a model without queries has the first two, and the first."""

OPSET = 18
"""Of ONNX; the oldest that torch writes, and most runtimes know."""


def export(predictor: Predictor, path: str | Path, format: str, size: tuple[int, int]) -> None:
    """Write a model, and beside it ``<path>.json`` with everything that its user must know.

    Args:
        predictor: the model; the file is for its device and its precision.
        path: file to write; it appears when it is complete, and a stop before leaves what was there.
        format: one of :data:`FORMATS`.
        size: rows and columns of the images as they are read; the file takes no others.

    Raises:
        ValueError: the format needs a tool that is missing or does not support this model, or the file cannot be
            written.
    """
    path, description = Path(path), Path(f'{path}.json')
    if format == 'onnx' and predictor.amp:
        raise ValueError('a file in ONNX computes in float32; the runtime that it is for lowers the precision')
    if predictor.queue_length > 1:
        raise ValueError(f'this model looks at {predictor.queue_length} moments in a row, and a file at a single one')
    _check_tools(format, path)
    _check_place(path)
    about = {'format': format, **describe(predictor, size)}
    with TemporaryDirectory() as folder:
        made = Path(folder) / path.name
        print_log('tracing the model: up to a minute', logger='current')
        program = trace(predictor, about)
        minutes = ', which compiles for minutes' if format == 'aoti' else ''
        print_log(f'writing it as {format}{minutes}', logger='current')
        FORMATS[format](program, made)
        with open(made, 'rb') as source, written_whole(path) as file:
            shutil.copyfileobj(source, file)
            description.unlink(missing_ok=True)  # it would describe another file
    with written_whole(description) as file:
        file.write(json.dumps(about, indent=1).encode() + b'\n')


def describe(predictor: Predictor, size: tuple[int, int]) -> dict[str, Any]:
    """Description of a model for the user of its file, as JSON can hold it.

    Raises:
        ValueError: the images go through a step that cannot be exported.
    """
    scale, window = 1.0, None
    dtype: type = np.uint8
    for step in predictor.steps:
        if isinstance(step, LoadSurroundImages):
            if step.reduced_by > 1:
                raise ValueError(
                    f'the test pipeline reads images with reduced_by={step.reduced_by}, which cannot be exported: use '
                    f'LoadSurroundImages and ScaleSurroundImages(factor={1 / step.reduced_by:g}) instead'
                )
            dtype = step.dtype
        elif isinstance(step, ScaleSurroundImages) and scale == 1:
            scale = step.factor
        elif isinstance(step, FitSurroundImages) and scale == 1 and not step.is_random:
            scale, window = _window(step, size)
        elif not isinstance(step, PackOccupancyInputs):
            raise ValueError(f'the test pipeline has a step {type(step).__name__}, which cannot be exported')
    if int(min(size) * scale) < 1:
        raise ValueError(f'nothing is left of images of {size[1]}x{size[0]} pixels that are scaled by {scale:g}')
    grid, preprocessor = predictor.grid, predictor.model.data_preprocessor
    return {
        'cameras': predictor.cameras,
        'image_size': size,
        'scale': scale,
        'dtype': np.dtype(dtype).name,
        'mean': preprocessor.mean.flatten().tolist(),
        'std': preprocessor.std.flatten().tolist(),
        'pad_divisor': preprocessor.pad_divisor,
        'grid': {'frame': grid.frame, 'extent': grid.extent, 'voxel_size': grid.voxel_size, 'shape': grid.shape},
        **predictor.labels.as_dict(),
        'device': str(predictor.device),
        'precision': 'bfloat16' if predictor.amp else 'float32',
        'versions': versions(),
        **_particulars(predictor.model, window, size, scale),
    }


def _window(step: FitSurroundImages, size: tuple[int, int]) -> tuple[float, tuple[int, int, int, int]]:
    """Scale of images of a size, and top, left, rows and columns of what a model sees of them then."""
    change = step.drawn(size)
    scale = change.size[1] / size[1]
    if size[0] * scale != change.size[0] or min(change.top, change.left) < 0:
        raise ValueError(
            f'images of {size[1]}x{size[0]} pixels do not become {step.size[1]}x{step.size[0]} by scaling them to '
            'whole pixels and cutting; choose an --image-size of another shape'
        )
    rows, columns = step.size
    return scale, (change.top, change.left, rows, columns)


def _particulars(model: nn.Module, window: tuple | None, size: tuple[int, int], scale: float) -> dict[str, Any]:
    """Parts of the description that only some models have."""
    if isinstance(model, OccupancyLift):
        return {'window': window or (0, 0, int(size[0] * scale), int(size[1] * scale))}
    if window is not None:
        raise ValueError('of a model with queries only those can be exported whose images are scaled, not cut')
    queries = model.grid.shape[0] * model.grid.shape[1]
    return {'queries': queries, 'slots': queries // 4}


def trace(predictor: Predictor, about: dict[str, Any]) -> ExportedProgram:
    """A model as a graph of torch's own operators, one with queries for any number of slots."""
    image = np.zeros((*about['image_size'], 3), about['dtype'])
    image = scaled(image, about['scale'])
    count = len(predictor.cameras)
    example: tuple[torch.Tensor, ...] = (
        torch.from_numpy(image).expand(count, *image.shape).contiguous(),
        torch.eye(4).repeat(count, 1, 1),
    )
    options: dict[str, Any] = {}
    program: nn.Module
    if 'window' in about:
        program = LiftProgram(predictor.model, predictor.amp, tuple(about['window']))
    else:
        program = Program(predictor.model, predictor.amp)
        example += (torch.zeros(about['slots'], dtype=torch.int64),)
        options['dynamic_shapes'] = (None, None, {0: Dim('slots', min=2, max=about['queries'])})
        options['prefer_deferred_runtime_asserts_over_guards'] = True  # torch cannot prove that n <= 4 n
    # A file with other operators would need this project, or torchvision, to be loaded.
    with torch.no_grad(), plain_operators():
        return torch.export.export(program, tuple(tensor.to(predictor.device) for tensor in example), **options)


def _check_tools(format: str, path: Path) -> None:
    """Check that the tools for that format are installed, before minutes are spent on tracing the model."""
    if format == 'aoti' and path.suffix != '.pt2':
        raise ValueError(f'{path.name}: the name of a file of AOTInductor must end in .pt2')
    if format == 'aoti' and not shutil.which(os.environ.get('CXX', 'g++')):
        raise ValueError('AOTInductor needs a C++ compiler: install g++, set CXX to another, or use torch_export')
    missing = [name for name in ('onnx', 'onnxscript') if find_spec(name) is None]
    if format == 'onnx' and missing:
        raise ValueError(f"ONNX needs {' and '.join(missing)}: pip install -e '.[export]'")


def _check_place(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f'{path}: {path.parent} is no folder, and cannot be made one ({error.strerror})') from None
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise ValueError(f'{path}: is a folder, or in one that cannot be written to')


def _write_torch_export(program: ExportedProgram, path: Path) -> None:
    program.example_inputs = None  # images, which would travel with the weights
    torch.export.save(program, path)


def _write_aoti(program: ExportedProgram, path: Path) -> None:
    torch._inductor.aoti_compile_and_package(program, package_path=str(path))


def _write_onnx(program: ExportedProgram, path: Path) -> None:
    import onnx
    import onnxscript

    op = getattr(onnxscript, f'opset{OPSET}')

    def stable_sort(x, stable: bool = True, dim: int = -1, descending: bool = False):
        # torch has no translation of its own. Of equal values TopK puts the earlier first.
        x = op.Cast(x, to=onnx.TensorProto.INT32)
        length = op.Gather(op.Shape(x), op.Constant(value_ints=[dim]))
        return op.TopK(x, length, axis=dim, largest=int(descending), sorted=1)

    translated = torch.onnx.export(
        program,
        dynamo=True,
        opset_version=OPSET,
        input_names=INPUTS[: len(program.graph_signature.user_inputs)],
        output_names=OUTPUTS[: len(program.graph_signature.user_outputs)],
        custom_translation_table={torch.ops.aten.sort.stable: stable_sort},
        verbose=False,
    )
    translated.save(path, external_data=False)


FORMATS = {'torch_export': _write_torch_export, 'aoti': _write_aoti, 'onnx': _write_onnx}
