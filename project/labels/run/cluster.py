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
from project.labels.run.report import Report
from project.sources.base import Scene


@contextmanager
def cluster_executor(
    choice: ClusterChoice, scenes: Sequence[Scene], save_path: Path, report: Report
) -> Iterator[DaskExecutor]:
    """Connect to a cluster or start one, check its workers, and say where its dashboard is.

    Args:
        choice: which cluster.
        scenes: what is to be labelled, in absolute folders.
        save_path: absolute root folder of the labels.
        report: receives sentences on workers that are not used.

    Raises:
        UserError: the cluster cannot be used, or workers differ from this process; the message says in what.
    """
    mark = save_path / f'.cluster-{uuid.uuid4().hex}'
    with connected(choice) as client:
        report.note(f'the dashboard of the cluster is {client.dashboard_link}')
        try:
            mark.write_bytes(mark.name.encode())
            executor = DaskExecutor(client, expected(scenes, mark), choice.most, report.warning)
            executor.check_workers()
            yield executor
        finally:
            mark.unlink(missing_ok=True)


def expected(scenes: Sequence[Scene], mark: Path) -> dict[str, Any]:
    """Requirements for workers, in the form of :func:`project.execution.on_worker.differences`.

    Of the recordings the first file of the first scene and the last of the last are looked at.
    """
    files = [os.path.join(scenes[i].dataroot, scenes[i].sweep_files[i]) for i in (0, -1) if len(scenes)]
    sizes = {path: os.path.getsize(path) for path in files if os.path.isfile(path)}
    return {'versions': versions(), 'sizes': sizes, 'contents': {str(mark): mark.read_bytes()}}
