"""What Dask carries from the client to a worker."""

import pickle
import warnings

import pytest
from cluster_work import first_byte

pytest.importorskip('distributed')

from project.execution.dask_clusters import ClusterChoice, connected
from project.execution.dask_executor import BATCH, DaskExecutor
from project.execution.on_worker import Payload


def test_bytes_are_not_copied_on_their_way():
    sent = bytes(range(256)) * 4000
    outside = []
    inside = pickle.dumps(Payload(sent), protocol=5, buffer_callback=outside.append)
    assert len(inside) < 200
    # As at the scheduler, which receives views into its buffer and passes them on.
    again = pickle.loads(inside, buffers=[memoryview(bytearray(sent))])
    outside.clear()
    inside = pickle.dumps(again, protocol=5, buffer_callback=outside.append)
    assert len(inside) < 200
    assert bytes(pickle.loads(inside, buffers=outside).data) == sent


def test_many_large_items_go_to_a_cluster_without_a_warning():
    items = [bytes([number]) * 1_000_000 for number in range(2 * BATCH + 1)]
    with connected(ClusterChoice(least=1, most=1)) as client, warnings.catch_warnings():
        warnings.simplefilter('error')
        # As if there were that many workers: several messages, and several items in each.
        executor = DaskExecutor(client, {'versions': {}, 'sizes': {}, 'contents': {}, 'urls': {}}, workers=len(items))
        assert executor.run(first_byte, items, None) == list(range(len(items)))
