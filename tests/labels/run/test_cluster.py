"""Labels made by Dask's workers are those of one process, whatever happens to a worker."""

from pathlib import Path

import pytest
from cluster_work import label_killed

from project.commands import occ_convert
from project.execution.processes import Processes
from project.labels.run.convert import convert
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
