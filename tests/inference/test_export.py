"""tools/export.py and tools/predict_exported.py: a file gives the model's labels, without this project."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from tiny_model import CONFIG, ROOT

import project
from project.evaluation.protocols.submissions import read_dense
from project.inference import export as formats
from project.taxonomy import CAMERAS
from tools import export, predict_exported

HAS_ONNX = all(importlib.util.find_spec(name) for name in ('onnx', 'onnxruntime', 'onnxscript'))
BLOCKED = ('project', 'mmengine', 'mmcv', 'mmdet', 'mmdet3d', 'torchvision')
FORMATS = [
    'torch_export',
    pytest.param(
        'onnx',
        marks=[pytest.mark.slow, pytest.mark.skipif(not HAS_ONNX, reason='ONNX is not installed: extra export')],
    ),
    pytest.param(
        'aoti',
        marks=[pytest.mark.slow, pytest.mark.skipif(not shutil.which('g++'), reason='AOTInductor needs g++')],
    ),
]


@pytest.fixture(scope='module')
def moment(tmp_path_factory):
    """Files of made-up images, 160x90 pixels, and the calibration of cameras that look around."""
    folder, rng = tmp_path_factory.mktemp('images'), np.random.default_rng(0)
    images = {name: folder / f'{name}.png' for name in CAMERAS}
    for file in images.values():
        cv2.imwrite(str(file), cv2.resize(rng.integers(0, 256, (9, 16, 3), np.uint8), (160, 90)))
    calibration = export.rig(CAMERAS, 'lidar', (90, 160))
    return images, {name: {key: each.tolist() for key, each in camera.items()} for name, camera in calibration.items()}


def exported(format: str, checkpoint, tmp_path_factory):
    """An exported model, made by the command, for images of that size."""
    path = tmp_path_factory.mktemp(format) / 'model.pt2'
    command = [str(CONFIG), str(checkpoint), '--out', str(path), '--format', format, '--device', 'cpu']
    assert export.main([*command, '--image-size', '160x90']) == 0
    return path


@pytest.fixture(scope='module')
def program(checkpoint, tmp_path_factory):
    """The plainest file."""
    return exported('torch_export', checkpoint, tmp_path_factory)


@pytest.fixture(scope='module', params=FORMATS)
def file(request, checkpoint, tmp_path_factory):
    """A file of each format."""
    if request.param == 'torch_export':
        return request.getfixturevalue('program')
    return exported(request.param, checkpoint, tmp_path_factory)


def test_a_program_has_no_tensors_but_those_of_the_model(program, checkpoint):
    model = project.load(CONFIG, checkpoint, 'cpu').model
    # Others would be of the CPU in a program for a GPU, too, and AOTInductor crashes when it loads such a mixture.
    assert torch.export.load(program).constants.keys() <= {f'model.{name}' for name, _ in model.named_buffers()}


def command_line(file, images, calibration, folder):
    """Arguments of tools/predict_exported.py, and the file that it is to write."""
    (folder / 'rig.json').write_text(json.dumps(calibration))
    pairs = [f'{name}={path}' for name, path in images.items()]
    out = folder / 'labels.npz'
    return [str(file), '--trust', '--images', *pairs, '--calibration', str(folder / 'rig.json'), '--out', str(out)], out


def test_a_file_gives_the_labels_of_the_model_without_the_project(file, checkpoint, moment, tmp_path):
    model = project.load(CONFIG, checkpoint, device='cpu')
    images, calibration = moment
    arguments, out = command_line(file, images, calibration, tmp_path)
    shutil.copy(ROOT / 'tools' / 'predict_exported.py', tmp_path)
    blocked = f'sys.modules.update(dict.fromkeys({BLOCKED}))'
    code = f'import sys; {blocked}; import predict_exported; sys.exit(predict_exported.main(sys.argv[1:]))'
    done = subprocess.run([sys.executable, '-c', code, *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    expected = model.predict(images, calibration).dense()
    # Sums in another order can tip a voxel whose two best classes are equally good.
    assert (read_dense(out, model.grid).semantics == expected).mean() > 0.999
    assert len(np.unique(expected)) > 3


def test_cameras_that_see_more_than_ever_before(file, checkpoint, moment):
    """The number of queries a camera sees is no constant of the file: wider cameras get more of them."""
    model, exported = project.load(CONFIG, checkpoint, device='cpu'), predict_exported.ExportedModel(file, trust=True)
    files, calibration = moment
    images = {name: cv2.imread(str(path)) for name, path in files.items()}
    exported._slots = 2
    for focal in (150.0, 40.0, 90.0):
        intrinsics = [[focal, 0, 80], [0, focal, 45], [0, 0, 1]]
        rig = {name: {**camera, 'intrinsics': intrinsics} for name, camera in calibration.items()}
        labels, expected = exported.predict(images, rig), model.predict(images, rig).dense()
        assert (labels == expected).mean() > 0.999
    assert exported._slots > 625


@pytest.fixture(scope='module')
def loaded(program):
    """The plainest file, loaded: that takes seconds."""
    return predict_exported.ExportedModel(program)


def test_the_description_says_what_a_user_must_know(program, loaded):
    about = loaded.metadata
    assert about['image_size'] == [90, 160] and about['scale'] == 0.25 and about['std'] == [58, 57, 57]
    assert about['grid'] == dict(
        frame='lidar', extent=[-51.2, -51.2, -5, 51.2, 51.2, 3], voxel_size=[2.048, 2.048, 1], shape=[50, 50, 8]
    )
    assert about['label_names'][4] == 'car' and about['label_names'][17] == 'free'
    assert about['cameras'][1] == 'CAM_FRONT_RIGHT' and about['versions']['torch']
    assert sorted(path.name for path in program.parent.iterdir()) == ['model.pt2', 'model.pt2.json']


@pytest.mark.parametrize(
    ('fault', 'sentence'),
    [
        ('camera', 'no image of CAM_BACK; the model needs CAM_FRONT, CAM_FRONT_RIGHT'),
        ('calibration', 'CAM_BACK: its calibration has no lidar_from_camera (it has intrinsics)'),
        ('size', 'CAM_BACK: the image is (45, 80, 3) uint8; this model takes 160x90 pixels'),
        ('image', 'not an image that can be read'),
        ('absent image', 'absent.jpg: missing'),
        ('half an image', 'half.jpg: not an image that can be read, or only a part of one'),
        ('json', 'rig.json: not JSON'),
        ('description', 'model.pt2.json: missing'),
        ('program', 'model.pt2: cannot be loaded'),
    ],
)
def test_what_is_wrong_is_named(program, loaded, moment, tmp_path, capsys, monkeypatch, fault, sentence):
    images, calibration = moment
    if fault not in ('description', 'program'):
        monkeypatch.setattr(predict_exported, 'ExportedModel', lambda path, trust: loaded)
    images, calibration = dict(images), {name: dict(camera) for name, camera in calibration.items()}
    file = shutil.copy(program, tmp_path)
    if fault != 'description':
        shutil.copy(f'{program}.json', tmp_path)
    if fault == 'camera':
        del images['CAM_BACK']
    elif fault == 'calibration':
        del calibration['CAM_BACK']['lidar_from_camera']
    elif fault == 'size':
        cv2.imwrite(str(tmp_path / 'small.png'), cv2.imread(str(images['CAM_BACK']))[::2, ::2])
        images['CAM_BACK'] = tmp_path / 'small.png'
    elif fault == 'image':
        images['CAM_BACK'] = __file__
    elif fault == 'absent image':
        images['CAM_BACK'] = 'absent.jpg'
    elif fault == 'half an image':
        whole = cv2.imencode('.jpg', cv2.imread(str(images['CAM_BACK'])))[1].tobytes()
        images['CAM_BACK'] = tmp_path / 'half.jpg'
        images['CAM_BACK'].write_bytes(whole[: len(whole) // 2])
    elif fault == 'program':
        (tmp_path / 'model.pt2').write_bytes(b'nothing')
    arguments, out = command_line(file, images, calibration, tmp_path)
    if fault == 'json':
        (tmp_path / 'rig.json').write_text('{')
    assert predict_exported.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith('error: ') and sentence in error
    assert not out.exists()


@pytest.mark.parametrize(
    ('options', 'sentence'),
    [
        (['--format', 'aoti'], 'AOTInductor needs a C++ compiler: install g++, set CXX'),
        (['--format', 'aoti', '--out', 'model.bin'], 'model.bin: the name of a file of AOTInductor must end in .pt2'),
        (['--format', 'onnx'], "ONNX needs onnx: pip install -e '.[export]'"),
        (['--format', 'onnx', '--amp'], 'a file in ONNX computes in float32'),
        (['--device', 'banana'], 'device banana: torch cannot use it; it sees '),
        (['--device', 'cuda:99'], 'device cuda:99: torch cannot use it; it sees '),
        (['--image-size', '3x3'], 'nothing is left of images of 3x3 pixels that are scaled by 0.25'),
        (['--out', 'file/model.pt2'], 'file/model.pt2: file is no folder, and cannot be made one (File exists)'),
        (['--out', 'folder'], 'folder: is a folder, or in one that cannot be written to'),
        ([], 'looks at 3 moments in a row'),
    ],
)
def test_exports_that_cannot_be_are_refused(checkpoint, queue_config, tmp_path, capsys, monkeypatch, options, sentence):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('PATH', '')
    monkeypatch.delenv('CXX', raising=False)
    monkeypatch.setattr(formats, 'find_spec', lambda name: None if name == 'onnx' else name)
    monkeypatch.setattr(formats, 'trace', None)  # minutes
    (tmp_path / 'file').touch(), (tmp_path / 'folder').mkdir()
    command = [str(CONFIG if options else queue_config), str(checkpoint), '--out', 'model.pt2', '--device', 'cpu']
    assert export.main([*command, *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith('error: ') and sentence in error
    assert {path.name for path in tmp_path.iterdir()} == {'file', 'folder'}


@pytest.mark.parametrize('size', ['0x0', '-5x3', '1600', '16x9x3', 'axb'])
def test_sizes_of_images_that_cannot_be_are_refused(size, capsys):
    with pytest.raises(SystemExit, match='2'):
        export.parse_arguments(['CONFIG', 'CHECKPOINT', '--out', 'model.pt2', f'--image-size={size}'])
    assert f"'{size}': give width and height in pixels, such as 1600x900" in capsys.readouterr().err


def test_a_stop_leaves_what_was_there(checkpoint, tmp_path, monkeypatch):
    def stopped(program, path):
        assert sorted(path.name for path in tmp_path.iterdir()) == ['model.pt2', 'model.pt2.json'], 'nothing aside'
        path.write_bytes(b'half')
        raise KeyboardInterrupt

    for name in ('model.pt2', 'model.pt2.json'):
        (tmp_path / name).write_text('as before')
    said = []
    monkeypatch.setattr(formats, 'print_log', lambda message, logger: said.append(message))
    monkeypatch.setattr(formats, 'trace', lambda predictor, about: None)
    monkeypatch.setitem(formats.FORMATS, 'torch_export', stopped)
    command = [str(CONFIG), str(checkpoint), '--out', str(tmp_path / 'model.pt2'), '--device', 'cpu']
    with pytest.raises(KeyboardInterrupt):
        export.main([*command, '--image-size', '160x90'])
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(
        ('model.pt2', 'model.pt2.json'), 'as before'
    )
    assert said == ['tracing the model: up to a minute', 'writing it as torch_export']


@pytest.mark.parametrize('tool', ['export', 'predict_exported'])
def test_help_shows_how(tool):
    environment = {**os.environ, 'COLUMNS': '120'}
    # mmdet3d imports torch.
    code = f'import sys; sys.modules["torch"] = None; from tools import {tool}; {tool}.main(["--help"])'
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f'{tool}.py' in done.stdout and 'examples:' in done.stdout
