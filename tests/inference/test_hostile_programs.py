"""Exported programs that somebody changed: tools/predict_exported.py runs nothing but a model."""

import io
import json
import pickle
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from torch import nn

from tools import predict_exported
from tools.predict_exported import ExportedModel, check_harmless

METADATA = {'format': 'torch_export', 'device': 'cpu', 'versions': {'torch': torch.__version__}}


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, values):
        return self.layer(values).relu()


class RunsCode:
    def __init__(self, witness: Path):
        self.witness = witness

    def __reduce__(self):
        return Path.touch, (self.witness,)


@pytest.fixture
def program(tmp_path) -> Path:
    """A small program of torch.export whose number of rows is not fixed."""
    rows = torch.export.Dim('rows', min=2, max=100)
    exported = torch.export.export(Small(), (torch.zeros(5, 3),), dynamic_shapes=({0: rows},))
    torch.export.save(exported, tmp_path / 'model.pt2')
    return describe(tmp_path / 'model.pt2')


def describe(path: Path, **metadata) -> Path:
    Path(f'{path}.json').write_text(json.dumps({**METADATA, **metadata}))
    return path


def changed(program: Path, change) -> Path:
    """The program with ``change(name, content)`` of every part; None leaves a part out."""
    with zipfile.ZipFile(program) as archive:
        parts = {part.filename: archive.read(part) for part in archive.infolist()}
    with zipfile.ZipFile(program, 'w') as archive:
        for name, content in parts.items():
            archive.writestr(name, change(name, content))
    return program


def in_model(program: Path, was: str, now: str) -> Path:
    def change(name: str, content: bytes) -> bytes:
        if not name.endswith('models/model.json'):
            return content
        text = content.decode()
        assert was in text
        return text.replace(was, now, 1).encode()

    return changed(program, change)


def test_what_export_writes_is_harmless_and_computes(program):
    model = ExportedModel(program)
    (found,) = model._compute(torch.ones(4, 3).numpy())
    assert found.shape == (4, 2)


@pytest.mark.parametrize(
    ('was', 'now'),
    [
        ('torch.ops.aten.relu.default', 'torch.os.system'),
        ('torch.ops.aten.relu.default', 'torch.ops.aten.from_file.default'),
        ('torch.ops.aten.relu.default', 'torch.ops.other.relu.default'),
        ("Symbol('", "__import__('os').system('touch ran') or Symbol('"),
        ("Symbol('", "Symbol('a').__class__('"),
        ('"guards_code": []', '"guards_code": ["__import__(\'os\').system(\'touch ran\')"]'),
        ('"name": "', '"name": "a=print(1),'),
    ],
)
def test_texts_that_torch_would_run_are_refused(program, was, now):
    with pytest.raises(ValueError, match=r'model\.pt2: may do more than compute .*; if you know who made it'):
        ExportedModel(in_model(program, was, now))


def test_a_pickle_with_code_is_not_run(program, tmp_path):
    content = io.BytesIO()
    torch.save(RunsCode(tmp_path / 'ran'), content)
    changed(program, lambda name, was: content.getvalue() if name.endswith('model.pt') else was)
    for trust in (False, True):
        with pytest.raises(ValueError, match=r'model\.pt2: cannot be loaded'):
            ExportedModel(program, trust)
    changed(program, lambda name, was: pickle.dumps(RunsCode(tmp_path / 'ran')) if name.endswith('model.pt') else was)
    with pytest.raises(ValueError, match=r'model\.pt2: cannot be loaded'):
        ExportedModel(program)
    assert not (tmp_path / 'ran').exists()


@pytest.mark.parametrize('part', ['data/aotinductor/model/model.so', 'data/constants/custom_obj_0', 'data/x.pkl'])
def test_parts_that_no_program_needs_are_refused(program, part):
    with zipfile.ZipFile(program, 'a') as archive:
        archive.writestr(f'model/{part}', b'\x7fELF')
    with pytest.raises(ValueError, match=f'may do more than compute .it holds {part}'):
        ExportedModel(program)


def test_a_program_that_unpacks_to_more_than_its_size_is_refused(program):
    with zipfile.ZipFile(program, 'a', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('model/data/weights/weight_9', bytes(1 << 22))
    with pytest.raises(ValueError, match='it unpacks to more than its own size'):
        ExportedModel(program)


def test_machine_code_needs_trust(program):
    describe(program, format='aoti')
    with pytest.raises(ValueError, match=r'model\.pt2: is machine code.*--trust'):
        ExportedModel(program)


@pytest.mark.parametrize('content', [b'', b'PK', b'[' * 100_000, b'null', b'{"format": []}', b'\xff'])
def test_descriptions_that_are_none_are_named(program, content):
    Path(f'{program}.json').write_bytes(content)
    with pytest.raises(ValueError, match=r'model\.pt2\.json: not the description'):
        ExportedModel(program)


def test_looking_takes_no_longer_for_texts_made_to_be_slow():
    for key in ('expr_str', 'in_spec', 'target', 'name'):
        for text in ('1' * 100_000 + '!', '"' * 100_000 + '!', 'torch.ops.aten.' + 'a.' * 50_000, "Add('" * 20_000):
            with suppress(ValueError):
                predict_exported.check_texts({key: text})


def test_damaged_programs_are_named(program, rng):
    content = program.read_bytes()
    for length in rng.integers(0, len(content), 20):
        program.write_bytes(content[:length])
        with pytest.raises(ValueError, match=r'model\.pt2'):
            check_harmless(program, METADATA)
