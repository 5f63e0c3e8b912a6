"""The executor of label making on a cluster, and what its workers must see: the same recordings, the same labels."""

import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from project.execution.dask_clusters import ClusterChoice, connected
from project.execution.dask_executor import DaskExecutor
from project.execution.on_worker import versions
from project.labels.run.places import Places
from project.labels.run.report import Report
from project.sources.base import Scene
from project.storage.mounts import mirror_at, sizes_of
from project.storage.outbox import Outbox


@contextmanager
def cluster_executor(
    choice: ClusterChoice, scenes: Sequence[Scene], places: Places, report: Report
) -> Iterator[DaskExecutor]:
    """Connect to a cluster or start one, check its workers, and say where its dashboard is.

    Args:
        choice: which cluster.
        scenes: what is to be labelled, in absolute folders.
        places: of the recordings and the labels, absolute.
        report: receives sentences on workers that are not used.

    Raises:
        UserError: the cluster cannot be used, or workers differ from this process; the message says in what.
    """
    mark = places.save_path / f'.cluster-{uuid.uuid4().hex}'
    with connected(choice) as client:
        report.note(f'the dashboard of the cluster is {client.dashboard_link}')
        try:
            mark.write_bytes(mark.name.encode())
            if places.labels is not None:
                places.labels.remote.put(mark, mark.name)
            executor = DaskExecutor(client, expected(scenes, mark, places.labels), choice.most, report.warning)
            executor.check_workers()
            yield executor
        finally:
            mark.unlink(missing_ok=True)
            if places.labels is not None:
                places.labels.remote.delete(mark.name)


def expected(scenes: Sequence[Scene], mark: Path, labels: Outbox | None = None) -> dict[str, Any]:
    """Requirements for workers, in the form of :func:`project.execution.on_worker.differences`.

    Of the recordings the first file of the first scene and the last of the last are looked at.

    Args:
        scenes: what is to be labelled.
        mark: a file among the labels.
        labels: what has sent it, where labels go to a URL.
    """
    files = [os.path.join(scenes[i].dataroot, scenes[i].sweep_files[i]) for i in (0, -1) if len(scenes)]
    sizes = {path: size for path, size in zip(files, sizes_of(files), strict=True) if size >= 0}
    content = mark.read_bytes()
    found: dict[str, Any] = {'versions': versions(), 'sizes': {}, 'contents': {}, 'urls': {}}
    for path, size in sizes.items():
        mirror = mirror_at(path)
        if mirror is None:
            found['sizes'][path] = size
        else:
            found['urls'][mirror.remote.url_of(mirror.name_of(path) or '')] = size
    if labels is None:
        found['contents'][str(mark)] = content
    else:
        found['urls'][labels.remote.url_of(mark.name)] = len(content)
    return found
