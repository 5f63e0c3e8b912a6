"""A world in an object store is converted there, checked and looked at, as from local folders."""

from pathlib import Path

import pytest
from faulty_proxy import Faults, faulty_proxy

from project.commands import occ_convert
from project.commands.occ_check import main as check
from project.commands.occ_convert import main
from project.commands.occ_visualize import main as visualize
from project.execution.executor import Followed
from project.labels.run.away import division_away, files_to_fetch, label_away
from project.labels.run.convert import division_of
from project.labels.run.places import Away
from project.labels.run.settings import Settings
from project.sources.opening import open_source
from project.storage.mounts import mounted, remounted
from project.storage.remote import RemoteFolder

OPTIONS = ['--num_sweeps', '1', '--no-refine-poses', '--format', 'occ3d', '--no-masks', '--format', 'voxels']


@pytest.fixture(scope='module')
def local_labels(tiny_world: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of labels of the tiny world, made from and to local folders."""
    folder = tmp_path_factory.mktemp('local')
    assert main(['--dataroot', str(tiny_world), '--save_path', str(folder), *OPTIONS, '--workers', '1']) == 0
    return {name: content for name, content in files_of(folder).items() if name != '.lock'}


@pytest.fixture
def world(tiny_world: Path, bucket: str) -> str:
    """URL of the tiny world."""
    remote = RemoteFolder(f'{bucket}/world')
    for path in tiny_world.rglob('*'):
        if path.is_file():
            remote.put(path, path.relative_to(tiny_world).as_posix())
    return remote.url


def files_of(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob('*') if p.is_file()}


def contents(url: str) -> dict[str, bytes]:
    remote = RemoteFolder(url)
    return {name: remote.content(name) for name in remote.find()}


def convert(world: str, *options: str) -> int:
    return main(['--dataroot', world, *OPTIONS, *options])


def test_converted_resumed_looked_at_and_checked(world, local_labels, tmp_path, capsys):
    assert convert(world, '--dry-run') == 0
    assert contents(f'{world}/occupancy') == {}
    assert convert(world, '--workers', '1', '--scenes', 'scene-0061') == 0
    made = contents(f'{world}/occupancy')
    assert {name for name in made if name.endswith('.npz')} < set(local_labels)
    # The second call makes what is missing, and the index has all.
    capsys.readouterr()
    assert convert(world, '--workers', '1') == 0
    printed = capsys.readouterr().out
    assert '3 labelled now, 3 were there already' in printed and f'{world}/occupancy' in printed
    assert contents(f'{world}/occupancy') == local_labels

    labels = f'{world}/occupancy'
    assert visualize([labels, '--dataroot', world, '--png', str(tmp_path / 'frame.png'), '--width', '400']) == 0
    assert (tmp_path / 'frame.png').stat().st_size > 1000
    shared = ['--format', 'voxels', '--scenes', 'scene-0061', '--workers', '1', '--no-refine-poses']
    assert check([labels, '--dataroot', world, '--json', str(tmp_path / 'check.json'), *shared]) in (0, 1)
    assert world in (tmp_path / 'check.json').read_text()


@pytest.mark.slow
def test_recordings_at_a_url_and_labels_here(world, local_labels, tmp_path):
    cache = ['--cache', str(tmp_path / 'cache'), '--cache-size', '1GB']
    assert convert(world, '--save_path', str(tmp_path / 'labels'), '--workers', '1', *cache) == 0
    made = files_of(tmp_path / 'labels')
    del made['.lock']
    assert made == local_labels
    assert any((tmp_path / 'cache').rglob('*.pcd.bin'))


def test_what_is_wrong_is_told_of_the_url(world, bucket, capsys):
    remote = RemoteFolder(world)
    name = next(name for name in remote.find('samples/LIDAR_TOP'))
    remote.delete(name)
    assert convert(world, '--dry-run') == 1
    assert f'{world}/{name}: missing' in capsys.readouterr().err
    assert convert(world, '--workers', '1') == 1
    printed = capsys.readouterr().out
    assert 'failed: ' in printed and f'{world}/{name}: missing' in printed
    assert convert(f'{bucket}/nothing') == 2
    assert f'{bucket}/nothing: there is no such folder' in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize('options', [['--workers', '2'], ['--cluster', 'local:2']])
def test_several_processes(world, local_labels, options, tmp_path):
    assert convert(world, *options, '--cache', str(tmp_path / 'cache')) == 0
    assert contents(f'{world}/occupancy') == local_labels


@pytest.mark.slow
def test_a_scene_that_is_divided(world, monkeypatch):
    """The worker that begins it reads the recording; all send labels."""
    dask_executor = pytest.importorskip('project.execution.dask_executor')
    monkeypatch.setattr(occ_convert, 'division_away', lambda: division_away(division_of(1)))
    divided, send = [], dask_executor._Run._send_divided
    monkeypatch.setattr(
        dask_executor._Run, '_send_divided', lambda run, *rest: (divided.append(rest[0]), send(run, *rest))
    )
    options = ['--num_sweeps', '1', '--no-refine-poses', '--format', 'occ3d', '--masks']
    assert main(['--dataroot', world, *options, '--save_path', f'{world}/whole', '--workers', '1']) == 0
    assert main(['--dataroot', world, *options, '--save_path', f'{world}/parts', '--cluster', 'local:2']) == 0
    assert sorted(divided) == [0, 1] and contents(f'{world}/parts') == contents(f'{world}/whole')


@pytest.mark.parametrize('alone', [True, False])
def test_copies_for_a_scene_that_another_worker_took_go_where_nobody_else_needs_them(world, tmp_path, alone):
    # The folder of the command exists where its workers share it, and on no other machine.
    commands = tmp_path / 'of_the_command'
    if not alone:
        commands.mkdir()
    mirror = remounted(RemoteFolder(world), commands / 'world', commands, 10**9, temporary=True)
    source = open_source(mounted(world))
    first, taken = map(source.load, source.scene_names)
    settings = Settings(tmp_path / 'labels', num_sweeps=0, refine_poses=False, overwrite=True)
    away, expected = Away(mirror, None, tmp_path), files_to_fetch(taken, settings)

    def copies_after(upcoming):
        assert label_away(Followed(first, upcoming), (settings, away), lambda: None).error is None
        return {name for name in files_of(mirror.folder) if name in expected}

    kept = copies_after(expected)
    assert kept and copies_after(None) == (set() if alone else kept)


@pytest.mark.slow
@pytest.mark.parametrize(
    'trouble', [{'fail_every': 10}, {'drop_every': 10}, {'cut_every': 10}, {'cut_every': 10, 'lie': True}]
)
def test_faults_that_pass_change_nothing(world, local_labels, s3_server, use_endpoint, trouble):
    with faulty_proxy(s3_server, Faults(**trouble)) as address:
        use_endpoint(address)
        assert convert(world, '--workers', '1') == 0
        use_endpoint(s3_server)
    assert contents(f'{world}/occupancy') == local_labels


@pytest.mark.slow
@pytest.mark.parametrize('trouble', [{'fail_every': 1}, {'cut_every': 1, 'lie': True}])
def test_faults_that_stay_are_errors_that_name_the_object(
    world, local_labels, s3_server, use_endpoint, monkeypatch, capsys, trouble
):
    monkeypatch.setenv('AWS_MAX_ATTEMPTS', '1')
    name = next(name for name in RemoteFolder(world).find('samples/LIDAR_TOP') if 'lidar' in name.lower())
    with faulty_proxy(s3_server, Faults(only=name, **trouble)) as address:
        use_endpoint(address)
        assert convert(world, '--workers', '1') == 1
        use_endpoint(s3_server)
    assert f'{world}/{name}: cannot be read: ' in capsys.readouterr().out
    # Labels of the other scene are there, and the index lists them and no others.
    made = contents(f'{world}/occupancy')
    assert made.items() - {(key, made[key]) for key in made if not key.endswith('.npz')} <= local_labels.items()
    assert any(key.endswith('.npz') for key in made)


@pytest.mark.slow
def test_a_store_that_does_not_take_a_label_keeps_the_others(
    world, local_labels, s3_server, use_endpoint, monkeypatch, capsys
):
    """The connection breaks whenever this label is sent; the next call goes on."""
    monkeypatch.setenv('AWS_MAX_ATTEMPTS', '1')
    name = sorted(name for name in local_labels if name.startswith('voxels') and name.endswith('.npz'))[1]
    with faulty_proxy(s3_server, Faults(drop_every=1, only=f'occupancy/{name}', method='PUT')) as address:
        use_endpoint(address)
        assert convert(world, '--workers', '1') == 1
        use_endpoint(s3_server)
    assert f'{world}/occupancy/{name}: cannot be written: ' in capsys.readouterr().out
    made = contents(f'{world}/occupancy')
    assert name not in made
    assert all(content == local_labels[key] for key, content in made.items() if key.endswith('.npz'))
    assert convert(world, '--workers', '1') == 0
    assert contents(f'{world}/occupancy') == local_labels
