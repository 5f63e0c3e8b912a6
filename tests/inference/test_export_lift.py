"""An OccupancyLift as a file: cut images, no slots, no operators but those of the format."""

import importlib.util

import cv2
import numpy as np
import pytest
import torch
from tiny_model import ROOT

import project
from project.taxonomy import CAMERAS
from tools import export, predict_exported

CONFIG = ROOT / 'config' / 'occupancy_lift_tiny.py'
HAS_ONNX = all(importlib.util.find_spec(name) for name in ('onnx', 'onnxruntime', 'onnxscript'))
WITH_ONNX = [pytest.mark.slow, pytest.mark.skipif(not HAS_ONNX, reason='ONNX is not installed: extra export')]


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    """Random weights."""
    from mmdet3d.registry import MODELS

    from project.engine.config_files import read_config

    torch.manual_seed(0)
    model = MODELS.build(read_config(CONFIG).model)
    for layer in (model.head.hidden, model.head.classifier):  # so that voxels differ
        torch.nn.init.normal_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    path = tmp_path_factory.mktemp('weights') / 'tiny.pth'
    torch.save({'state_dict': model.state_dict()}, path)
    return path


@pytest.mark.parametrize(
    'name', [pytest.param('model.pt2', marks=pytest.mark.slow), pytest.param('model.onnx', marks=WITH_ONNX)]
)
def test_a_file_gives_the_labels_of_the_model(checkpoint, tmp_path, name):
    path, rng = tmp_path / name, np.random.default_rng(0)
    command = [str(CONFIG), str(checkpoint), '--out', str(path), '--device', 'cpu', '--no-check']
    assert export.main([*command, '--image-size', '640x360']) == 0
    model, exported = project.load(CONFIG, checkpoint, device='cpu'), predict_exported.ExportedModel(path)
    assert exported.metadata['window'] == [4, 0, 176, 320] and 'slots' not in exported.metadata
    images = {camera: cv2.resize(rng.integers(0, 256, (9, 16, 3), np.uint8), (640, 360)) for camera in CAMERAS}
    calibration = export.rig(CAMERAS, 'lidar', (360, 640))
    expected = model.predict(images, calibration).dense()
    assert (exported.predict(images, calibration) == expected).mean() > 0.999
    assert len(np.unique(expected)) > 3
    if path.suffix == '.onnx':
        check_for_tensorrt(path)


TENSORRT_OPERATORS = {
    'Add', 'And', 'ArgMax', 'AveragePool', 'BatchNormalization', 'Cast', 'Clip', 'Concat', 'ConstantOfShape', 'Conv',
    'CumSum', 'Div', 'Einsum', 'Expand', 'Floor', 'Gather', 'GatherElements', 'Greater', 'GreaterOrEqual', 'Less',
    'Log', 'MatMul', 'MaxPool', 'Min', 'Mul', 'Neg', 'Pow', 'ReduceSum', 'Relu', 'Reshape', 'Resize', 'ScatterElements',
    'Slice', 'Softmax', 'Split', 'Sqrt', 'Squeeze', 'Sub', 'Transpose', 'Unsqueeze',
}  # fmt: skip
"""Operators that TensorRT 10 builds without plugins, of those that are in use here (docs/deployment.md)."""


def check_for_tensorrt(path):
    """The graph has fixed shapes, no other operators, and 8-bit numbers at its borders only, where they are cast."""
    import onnx

    graph = onnx.shape_inference.infer_shapes(onnx.load(path)).graph
    assert {node.op_type for node in graph.node} <= TENSORRT_OPERATORS
    for end in (*graph.input, *graph.output):
        assert all(axis.dim_value > 0 for axis in end.type.tensor_type.shape.dim), end.name
    inputs, outputs = ({end.name for end in ends} for ends in (graph.input, graph.output))
    eight_bits = {
        value.name for value in (*graph.value_info, *graph.input, *graph.output)
        if value.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    }  # fmt: skip
    assert eight_bits <= inputs | outputs
    for node in graph.node:
        assert node.op_type == 'Cast' or not eight_bits & {*node.input, *node.output}, node.op_type


def test_images_that_do_not_scale_to_whole_pixels_are_refused(checkpoint, tmp_path, capsys):
    command = [str(CONFIG), str(checkpoint), '--out', str(tmp_path / 'model.pt2'), '--device', 'cpu']
    assert export.main([*command, '--image-size', '641x363']) == 2
    assert 'choose an --image-size of another shape' in capsys.readouterr().err
