"""Work on Dask's workers, which die, hang, fail, or are not like the client."""

import dataclasses
import itertools

import pytest
from cluster_work import (
    begin_bytes,
    cut_noted,
    die,
    fail_first,
    hang_first,
    part_noted,
    process_and_next,
    tenfold,
    twelve_parts,
)

pytest.importorskip('distributed')

from project.errors import UserError
from project.execution.dask_clusters import ClusterChoice, connected, parse_cluster
from project.execution.dask_executor import DaskExecutor
from project.execution.executor import Division, Lost
from project.execution.on_worker import differences, versions


@pytest.fixture(scope='module')
def client():
    with connected(ClusterChoice(least=2, most=2)) as client:
        yield client


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def executor(client, said) -> DaskExecutor:
    return DaskExecutor(client, expected(), 2, said.append)


def expected(**changes) -> dict:
    return {'versions': versions(), 'sizes': {}, 'contents': {}, 'urls': {}} | changes


def test_results_come_in_the_order_of_the_items(executor):
    progress = []
    executor.check_workers()
    assert executor.run(tenfold, range(20), None, progress.append) == [10 * i for i in range(20)]
    assert progress[-1] == 20 and progress == sorted(progress)


def test_what_failed_on_a_machine_is_tried_on_another_and_no_more(executor, tmp_path):
    first, second = executor.run(fail_first, ['a'], tmp_path, try_elsewhere=lambda r: r == 'failed')[0].split()
    assert first != second
    assert executor.run(fail_first, ['a', 'b'], tmp_path, try_elsewhere=lambda r: True)[1] != 'failed'


def test_a_worker_gets_the_item_that_it_was_told_of(executor):
    count, told = 12, []

    def ahead(item: int) -> int:
        told.append(item)
        return item

    results = executor.run(process_and_next, range(count), None, ahead=ahead)
    # Each but the first two was announced once, to one of two.
    assert sorted(told) == list(range(2, count)) == sorted(following for _, following in results if following)
    kept = [results[following][0] == process for process, following in results if following]
    # At the end one takes what the other was promised.
    assert sum(kept) >= len(kept) - 1


def test_pieces_are_cut_when_there_is_a_place_for_them(executor, client, tmp_path):
    division, notes = Division(twelve_parts, begin_bytes, cut_noted, part_noted, list), tmp_path / 'notes'
    client.wait_for_workers(2)
    assert executor.run(part_noted, ['divided'], notes, division=division) == [list(range(12))]
    there = list(itertools.accumulate(1 if line == 'cut' else -1 for line in notes.read_text().split()))
    # One for each of two workers, and two that follow.
    assert max(there) <= 4 and there[-1] == 0 and len(there) == 24


def test_workers_of_another_version_are_named_before_anything_is_done(client, said):
    others = expected(versions=versions() | {'project': '0123456789ab', 'numba': '0.1'})
    with pytest.raises(UserError, match=r'tcp://.* has numba .* where the client has 0.1, and has project') as error:
        DaskExecutor(client, others, 2).check_workers()
    assert str(error.value).count('tcp://') == 2
    # Such workers may also come later.
    with pytest.raises(UserError, match='no worker is left'):
        DaskExecutor(client, others, 2, said.append).run(tenfold, range(5), None)
    assert len(said) == 2 and all('is not used: it has numba' in sentence for sentence in said)


# Workers that die take seconds to come back; what needs both of them was before.


def test_a_worker_that_hangs_costs_one_more_try(client, said, tmp_path):
    executor = DaskExecutor(client, expected(), 2, said.append, stalled_s=3)
    assert executor.run(hang_first, ['hangs', 'b', 'c'], tmp_path) == ['hangs', 'b', 'c']
    assert len(said) == 1 and 'hangs; what it was to do is tried elsewhere' in said[0]


def test_what_a_dead_worker_did_is_tried_once_more(executor, tmp_path):
    items = ['a', 'once', 'b', 'always', 'c', 'd']
    results = executor.run(die, items, tmp_path)
    assert isinstance(results[3], Lost) and 'memory' in results[3].reason
    assert results[:3] + results[4:] == items[:3] + items[4:]


def test_a_worker_says_which_files_it_does_not_see(tmp_path):
    (tmp_path / 'sweep').write_bytes(b'1234')
    (tmp_path / 'mark').write_bytes(b'mark')
    sizes = {str(tmp_path / 'sweep'): 5, str(tmp_path / 'missing'): 1}
    there = differences(expected(sizes=sizes, contents={str(tmp_path / 'mark'): b'other'}))
    assert there == [
        f'sees another {tmp_path / "sweep"}: 4 bytes, not 5', f'does not see {tmp_path / "missing"}',
        f'does not see what the client writes to {tmp_path}',
    ]  # fmt: skip
    assert differences(expected(sizes={str(tmp_path / 'sweep'): 4}, contents={str(tmp_path / 'mark'): b'mark'})) == []


def test_what_the_option_may_say(tmp_path):
    assert parse_cluster('tcp://10.0.0.1:8786') == ClusterChoice(address='tcp://10.0.0.1:8786')
    assert parse_cluster('local:3') == ClusterChoice(least=3, most=3)
    file = tmp_path / 'ours.yaml'
    file.write_text('class: a.B\noptions: {queue: q}\nworkers: {minimum: 0, maximum: 9}\n')
    assert dataclasses.astuple(parse_cluster(str(file))) == (None, 'a.B', {'queue': 'q'}, 0, 9)
    for name in ('slurm', 'kubernetes', 'ssh'):
        assert parse_cluster(name).class_name


@pytest.mark.parametrize('number', [1, 3])
def test_a_local_cluster_has_as_many_workers_as_asked_for(number):
    """Not as many as the machine has cores."""
    with connected(parse_cluster(f'local:{number}')) as client:
        assert list(client.nthreads().values()) == [1] * number


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('class: [', 'not YAML'),
        ('options: {}', 'must have "class"'),
        ('class: a.B\nworker: 3', 'nothing else'),
        ('class: a.B\nworkers: {minimum: 3, maximum: 1}', '"workers" must be a number'),
        ('class: a.B\noptions: [1]', '"options" must hold'),
    ],
)
def test_a_file_that_describes_no_cluster_is_named(tmp_path, content, message):
    file = tmp_path / 'ours.yaml'
    file.write_text(content)
    with pytest.raises(UserError, match=f'{file}: .*{message}'):
        parse_cluster(str(file))


def test_a_place_that_means_nothing_is_refused():
    with pytest.raises(UserError, match='--cluster local:0: neither the address .* nor one of kubernetes, slurm, ssh'):
        parse_cluster('local:0')
    with pytest.raises(ImportError, match=r'nowhere\.Cluster: .*install its package'), \
            connected(ClusterChoice(class_name='nowhere.Cluster', options={})):  # fmt: skip
        pass
