"""Labels made by Dask's workers are those of one process, whatever happens to a worker."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from cluster_work import label_killed, label_part_killed

from project.commands import occ_convert
from project.execution.processes import Processes
from project.labels.run.convert import convert, division_of, label_reported
from project.labels.run.settings import Settings
from project.sources.nuscenes.source import NuScenesSource

pytest.importorskip('distributed')

from project.execution.dask_clusters import ClusterChoice, connected
from project.execution.dask_executor import DaskExecutor
from project.labels.run.cluster import expected


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob('*') if path.is_file()}


def test_a_worker_that_is_killed_in_the_middle_of_a_scene_changes_no_byte(tiny_world, tmp_path):
    scenes = NuScenesSource(tiny_world).scenes
    convert(scenes, Settings(tmp_path / 'one'), Processes(1))
    mark = tmp_path / 'mark'
    mark.touch()
    shared = Settings(tmp_path / 'two'), tmp_path / 'killed'
    with connected(ClusterChoice(least=2, most=2)) as client:
        outcomes = DaskExecutor(client, expected(scenes, mark), 2).run(label_killed, scenes, shared)
    assert [outcome.error for outcome in outcomes] == [None, None] and shared[1].exists()
    # What the killed one had written stays.
    assert sum(outcome.present for outcome in outcomes) == 1
    assert files_of(tmp_path / 'two') == files_of(tmp_path / 'one')


FORMATS = ('points', 'occ3d')


@pytest.mark.parametrize('killed', [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_scene_that_is_divided_has_the_bytes_of_one_that_is_not(tiny_world, tmp_path, killed):
    scenes = NuScenesSource(tiny_world).scenes
    settings = Settings(tmp_path / 'one', formats=FORMATS, masks=True, instances=True, num_sweeps=1)
    convert(scenes, settings, Processes(1))
    mark = tmp_path / 'mark'
    mark.touch()
    division = replace(division_of(1), work=label_part_killed) if killed else division_of(1)
    shared, progress = replace(settings, save_path=tmp_path / 'two'), []
    with connected(ClusterChoice(least=2, most=2)) as client:
        client.wait_for_workers(2)
        executor = DaskExecutor(client, expected(scenes, mark), 2)
        outcomes = executor.run(label_reported, scenes, shared, progress.append, division=division)
    keyframes = [len(scene.keyframes) for scene in scenes]
    assert all(number > 2 for number in keyframes) and [outcome.error for outcome in outcomes] == [None, None]
    assert [outcome.labelled + outcome.present for outcome in outcomes] == keyframes
    assert (tmp_path / 'two.killed').exists() == killed and (killed or progress[-1] == sum(keyframes))
    assert files_of(tmp_path / 'two') == files_of(tmp_path / 'one')


def test_only_long_scenes_with_masks_are_divided(tmp_path):
    parts, masked = division_of(10).parts, Settings(tmp_path, masks=True)
    scenes = {number: SimpleNamespace(keyframes=range(number), annotated_sweeps=None) for number in (20, 21, 30, 31)}
    assert [parts(scene, masked, 2) for scene in scenes.values()] == [1, 4, 4, 4]
    # Each of three workers gets as many, and those of a large cluster no less than five keyframes.
    assert [parts(scene, masked, 3) for scene in scenes.values()] == [1, 3, 3, 6]
    assert [parts(scene, masked, 99) for scene in scenes.values()] == [1, 4, 6, 6]
    assert parts(scenes[31], Settings(tmp_path), 2) == 1
    assert [division_of(1).parts(scenes[21], masked, workers) for workers in (2, 5, 99)] == [21, 21, 21]


@pytest.mark.parametrize('case', ['nothing is left to do', 'a file is missing'])
def test_what_concerns_a_divided_scene_as_a_whole_is_said_once(tiny_world, tmp_path, case):
    scenes = NuScenesSource(tiny_world).scenes[:1]
    settings = Settings(tmp_path / 'labels', refine_poses=False)
    if case == 'a file is missing':
        scenes = [replace(scenes[0], dataroot=tmp_path)]
    else:
        convert(scenes, settings, Processes(1))
    division = division_of(1)
    content, whole = division.begin(scenes[0], settings)
    assert content is None and whole == replace(
        convert(scenes, settings, Processes(1))[0], seconds=whole.seconds, log=whole.log
    )


def test_the_command_on_a_cluster_writes_what_it_writes_alone(tiny_world, tmp_path, capfd):
    options = ['--dataroot', str(tiny_world), '--no-refine-poses', '--save_path']
    assert occ_convert.main([*options, str(tmp_path / 'one'), '--workers', '1']) == 0
    assert occ_convert.main([*options, str(tmp_path / 'two'), '--cluster', 'local:2']) == 0
    assert 'the dashboard of the cluster is http://127.0.0.1:' in capfd.readouterr().err
    assert files_of(tmp_path / 'two') == files_of(tmp_path / 'one')


@pytest.mark.parametrize('place', ['nowhere.yaml', 'tcp://127.0.0.1:9'])
def test_a_cluster_that_is_not_there_is_named(tiny_world, tmp_path, capfd, monkeypatch, place):
    monkeypatch.setattr('project.execution.dask_clusters.CONNECT_S', 1)
    options = ['--dataroot', str(tiny_world), '--save_path', str(tmp_path), '--cluster', place]
    assert occ_convert.main(options) == 2
    assert f'error: --cluster {place}' in capfd.readouterr().err
    assert not list(tmp_path.rglob('*.npz'))
