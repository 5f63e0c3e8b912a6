"""Many scenes at once: an error in one is reported, and harms neither the others nor the files."""

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from project.execution.processes import Processes
from project.formats import FORMATS
from project.labels.run.convert import convert
from project.labels.run.settings import Settings
from project.sources.nuscenes.source import NuScenesSource


@pytest.fixture(scope='module')
def scenes(tiny_world: Path):
    return NuScenesSource(tiny_world).scenes


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob('*') if path.is_file()}


@pytest.fixture(scope='module')
def made(scenes, tmp_path_factory) -> dict[str, bytes]:
    """Labels in every format, made in one process."""
    folder = tmp_path_factory.mktemp('made')
    outcomes = convert(scenes, Settings(folder, tuple(FORMATS)), Processes(1))
    assert [(outcome.labelled, outcome.present, outcome.error) for outcome in outcomes] == [(3, 0, None)] * 2
    return files_of(folder)


def test_every_format_has_a_file_a_keyframe_that_reads(scenes, made, tmp_path):
    assert len(made) == 6 * len(FORMATS) + 2
    for name, content in made.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    for module in FORMATS.values():
        labels = module.read(tmp_path / module.path(scenes[1].keyframes[2]))
        assert len(labels if isinstance(labels, np.ndarray) else labels.classes) > 1000


def test_bytes_depend_on_neither_workers_nor_order_nor_on_what_was_there(scenes, made, tmp_path):
    settings = Settings(tmp_path, tuple(FORMATS))
    progress = []
    convert(scenes[::-1], settings, Processes(2), on_progress=progress.append)
    assert files_of(tmp_path) == made and progress[-1] == 6
    lost = sorted(tmp_path.rglob('*.*'))[::2]
    for path in filter(Path.is_file, lost):
        path.unlink()
    convert(scenes, settings, Processes(1))
    assert files_of(tmp_path) == made


@pytest.mark.parametrize('alone', ['voxels', 'openoccupancy', 'occ3d', 'openocc'])
def test_formats_that_share_a_grid_are_the_same_as_alone(scenes, made, tmp_path, alone):
    convert(scenes[:1], Settings(tmp_path, (alone,)), Processes(1))
    files = files_of(tmp_path)
    assert len(files) == 3 + 1 and files.items() <= made.items()


def test_what_is_there_is_not_made_again(scenes, made, tmp_path):
    settings = Settings(tmp_path)
    convert(scenes, settings, Processes(1))
    first, second = sorted(path for path in tmp_path.rglob('*.npz'))[:2]
    first.write_bytes(b'kept')
    second.unlink()
    progress = []
    outcomes = convert(scenes, settings, Processes(1), on_progress=progress.append)
    assert [(outcome.labelled, outcome.present) for outcome in outcomes] == [(1, 2), (0, 3)]
    assert first.read_bytes() == b'kept' and second.is_file() and progress == [1]
    convert(scenes, replace(settings, overwrite=True), Processes(1))
    assert first.read_bytes() != b'kept'


@pytest.mark.parametrize('workers', [1, 2])
def test_a_scene_that_fails_is_named_and_the_other_is_finished(scenes, tmp_path, workers):
    broken = replace(scenes[0], sweep_files=('nowhere.pcd.bin', *scenes[0].sweep_files[1:]))
    outcomes = convert([broken, scenes[1]], Settings(tmp_path), Processes(workers))
    assert outcomes[0].scene_name == 'scene-0061' and 'nowhere.pcd.bin: missing' in outcomes[0].error
    assert outcomes[1].error is None and outcomes[1].labelled == 3
    assert {path.parent.name for path in tmp_path.rglob('*.npz')} == {'scene-0103'}


@pytest.mark.parametrize(('refine_poses', 'first'), [(True, 'poses/scene-0061.json'), (False, '.npz')])
def test_a_full_disk_leaves_nothing_half_written(scenes, tmp_path, monkeypatch, refine_poses, first):
    def full(*paths):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr('project.formats.common.os.replace', full)
    outcomes = convert(scenes[:1], Settings(tmp_path, refine_poses=refine_poses), Processes(1))
    assert 'No space left on device' in outcomes[0].error and first in outcomes[0].error
    assert files_of(tmp_path) == {}


def test_a_folder_that_cannot_be_written_is_named(scenes, tmp_path):
    (tmp_path / 'file').write_text('')
    outcomes = convert(scenes[:1], Settings(tmp_path / 'file' / 'labels'), Processes(1))
    assert str(tmp_path / 'file') in outcomes[0].error


def test_one_keyframe_without_sweeps(scenes, tmp_path):
    whole = scenes[0]
    first = np.arange(len(whole.sweep_files)) == whole.keyframe_sweeps[0]
    tracks = replace(whole.tracks, **{
        name: getattr(whole.tracks, name)[:1] for name in ('present', 'global_from_box', 'sizes')
    })  # fmt: skip
    scene = replace(
        whole, keyframes=whole.keyframes[:1], label_files=whole.label_files[:1], keyframe_sweeps=np.array([0]),
        sweep_files=whole.sweep_files[:1], timestamps_us=whole.timestamps_us[first], cameras=whole.cameras[:1],
        global_from_ego=whole.global_from_ego[first], ego_from_lidar=whole.ego_from_lidar[first], tracks=tracks,
    )  # fmt: skip
    contents = []
    for num_sweeps in (0, 10):
        folder = tmp_path / str(num_sweeps)
        assert convert([scene], Settings(folder, num_sweeps=num_sweeps), Processes(1))[0].error is None
        contents.append(files_of(folder))
        shutil.rmtree(folder)
    assert contents[0] == contents[1] and len(contents[0]) == 2
