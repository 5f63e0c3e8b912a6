"""Errors that the user can fix are shown as one sentence."""

import sys
from pathlib import Path

import numpy as np
import pytest
from mmdet3d.registry import MODELS, OPTIMIZERS
from torch.utils.data import DataLoader, Dataset

from project.datasets.images import read_image, scaled
from project.engine import command
from project.engine.checkpoint import read_checkpoint
from project.engine.error_sentences import sentence
from project.formats import infos
from project.models.build import build


def raised(work) -> BaseException:
    with pytest.raises(Exception) as caught:
        work()
    return caught.value


class Images(Dataset):
    def __init__(self, *files: Path):
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int):
        return read_image(self.files[index])


def test_faults_of_files_are_sentences(tmp_path):
    absent, broken = tmp_path / 'absent.pth', tmp_path / 'broken.jpg'
    broken.write_bytes(b'no image')
    (tmp_path / 'file').touch()
    assert sentence(raised(lambda: read_checkpoint(absent))) == f'there is no checkpoint {absent}'
    assert sentence(raised(lambda: read_checkpoint(tmp_path))) == f'there is no checkpoint {tmp_path}'
    assert sentence(raised(lambda: infos.read(tmp_path))) == f"[Errno 21] Is a directory: '{tmp_path}'"
    assert 'Not a directory' in sentence(raised((tmp_path / 'file' / 'folder').mkdir))
    for workers in (0, 1):
        loader = DataLoader(Images(broken), num_workers=workers)
        assert sentence(raised(lambda loader=loader: list(loader))).startswith(f'{broken}: not an image')


@pytest.mark.parametrize('workers', [0, 1])
def test_errors_of_the_program_keep_their_traceback(workers):
    loader = DataLoader(Images(None), num_workers=workers)
    assert sentence(raised(lambda: list(loader))) is None
    # Python itself raises these three, in lines of the project.
    assert sentence(raised(lambda: infos.scene_infos([None]))) is None
    assert sentence(raised(lambda: infos.scene_infos(None))) is None
    assert sentence(raised(lambda: scaled(np.zeros((2, 2, 3)), float('nan')))) is None


def test_an_error_while_handling_another_is_not_hidden(tmp_path):
    def handle():
        try:
            read_checkpoint(tmp_path / 'absent.pth')
        except FileNotFoundError as error:
            return error.nothing

    assert sentence(raised(handle)) is None


def test_parts_and_options_that_do_not_exist_are_sentences():
    head = dict(type='OccupancyHead', embed_dims=4, num_classes=18, grid=None)
    said = sentence(raised(lambda: build(head | dict(nope=3))))
    assert said.startswith('the configuration names something that does not exist: ') and "'nope'" in said
    assert 'Foo is not in the' in sentence(raised(lambda: MODELS.build(dict(type='Foo'))))
    assert 'must contain the key "type"' in sentence(raised(lambda: MODELS.build(dict(depth=3))))
    assert 'Foo is not in the' in sentence(raised(lambda: OPTIMIZERS.build(dict(type='Foo'))))


def test_exit_codes(capsys):
    def interrupt():
        raise KeyboardInterrupt

    for arguments, said in [({}, 'stopped'), ({'stopped': 'stopped; go on'}, 'stopped; go on')]:
        with pytest.raises(SystemExit, match='130'):
            command.run(interrupt, **arguments)
        assert capsys.readouterr().err == f'{said}\n'
    with pytest.raises(SystemExit, match='2'):
        command.run(read_checkpoint, 'absent.pth')
    assert capsys.readouterr().err == 'error: there is no checkpoint absent.pth\n'
    with pytest.raises(ZeroDivisionError):
        command.run(lambda: 1 / 0)
    assert 'Traceback' not in capsys.readouterr().err and sys.exc_info()[0] is None
