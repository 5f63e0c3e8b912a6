"""The code that a Dask worker runs. The text of this module is sent to workers, so that it can report workers that lack
this project; so it imports nothing from the project."""

import hashlib
import os
import pickle
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PACKAGES = ('numpy', 'numba', 'scipy')
"""Labels may depend on the versions of these packages."""


class StoppedError(Exception):
    """The client has cancelled this task."""


class Payload:
    """Bytes that Dask passes on without copying them, from the client through the scheduler to a worker.

    Args:
        data: any object with a buffer.
    """

    def __init__(self, data: Any):
        self.data = data

    def __reduce_ex__(self, protocol: Any) -> Any:
        return Payload, (pickle.PickleBuffer(self.data),)


def versions() -> dict[str, str]:
    """Versions on this machine: Python, packages that labels depend on, and a digest of all sources of this project."""
    found = {'Python': '.'.join(platform.python_version_tuple()[:2])}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = 'none'
    spec = find_spec('project')
    return {**found, 'project': 'none' if spec is None or spec.origin is None else digest(Path(spec.origin).parent)}


def digest(folder: Path) -> str:
    """First digits of a hash over the Python files of a folder."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob('*.py')):
        total.update(f'{path.relative_to(folder).as_posix()}\n'.encode() + path.read_bytes())
    return total.hexdigest()[:12]


def differences(expected: Mapping[str, Any]) -> list[str]:
    """Differences between this machine and the client, in words.

    Args:
        expected: ``versions``, as :func:`versions` gives them; ``sizes``, the size of files by path; ``contents``, the
            bytes of files by path, where labels go; ``urls``, the size of objects by URL.
    """
    here = versions() if expected['versions'] else {}
    wrong = [
        f'has {name} {here[name]} where the client has {stated}'
        for name, stated in expected['versions'].items()
        if here[name] != stated
    ]
    for path, size in expected['sizes'].items():
        there = os.path.getsize(path) if os.path.isfile(path) else None
        if there != size:
            wrong.append(f'does not see {path}' if there is None else f'sees another {path}: {there} bytes, not {size}')
    for url, size in expected['urls'].items():
        found = _size_at(url)
        if found != size:
            wrong.append(f'cannot read {url}: {found}' if isinstance(found, str) else f'sees another {url}')
    for path, content in expected['contents'].items():
        if not os.path.isfile(path) or Path(path).read_bytes() != content:
            wrong.append(f'does not see what the client writes to {os.path.dirname(path)}')
        elif not os.access(os.path.dirname(path), os.W_OK):
            wrong.append(f'may not write to {os.path.dirname(path)}')
    return wrong


def _size_at(url: str) -> int | str:
    """Size of an object, or why it cannot be told."""
    try:
        from fsspec.core import url_to_fs

        fs, path = url_to_fs(url)
        return int(fs.info(path)['size'])
    except Exception as error:
        return f'{type(error).__name__}: {error}'


class Held:
    """What later tasks of a worker need; Dask is told how large it is, so that it moves those tasks and not this.

    Args:
        content: the division, what its parts need, and what is shared.
    """

    def __init__(self, content: tuple[Any, Any, Any]):
        self.content = content

    def __sizeof__(self) -> int:
        return int(self.content[1].nbytes)


def work_on(
    expected: Mapping[str, Any], topic: str, report_s: float, whole: str, key: str, payload: Any
) -> dict[str, Any]:
    """Work on an item or a part of one, in a task of a worker that is like the client.

    Args:
        expected: as for :func:`differences`; checked once for each process and client.
        topic: of the events that report progress: (key of the item, key of this task, steps done).
        report_s: seconds between them.
        whole: key of the item.
        key: of this task.
        payload: pickled work, item and what is shared, in a :class:`Payload`; or a reply, which is returned.

    Returns:
        ``worker`` and ``host``; ``differs``, the differences of this worker; if there are none, ``result`` and
        ``steps``.
    """
    if not isinstance(payload, Payload):
        return payload
    worker, reply = _begun(expected, topic, whole, key)
    if reply['differs']:
        return reply
    work, item, shared = pickle.loads(payload.data)
    steps, reported = 0, time.monotonic()

    def on_step() -> None:
        nonlocal steps, reported
        steps += 1
        if time.monotonic() > reported + report_s:
            reported = time.monotonic()
            worker.log_event(topic, (whole, key, steps))
        task = worker.state.tasks.get(key)
        if task is None or task.state == 'cancelled':
            raise StoppedError

    return {**reply, 'result': work(item, shared, on_step), 'steps': steps}


def begin(expected: Mapping[str, Any], topic: str, whole: str, key: str, payload: Payload) -> Any:
    """Make the beginning of an item that is divided.

    Args:
        expected, topic, whole, key: as for :func:`work_on`.
        payload: pickled division, item and what is shared.

    Returns:
        What :func:`cut` needs, in a :class:`Held`, or a reply that concerns the whole item.
    """
    _, reply = _begun(expected, topic, whole, key)
    if reply['differs']:
        return reply
    division, item, shared = pickle.loads(payload.data)
    content, result = division.begin(item, shared)
    return Held((division, content, shared)) if result is None else {**reply, 'result': result, 'steps': 0}


def cut(begun: Any, part: int, parts: int, before: Any) -> Any:
    """What a part needs, as :func:`work_on` takes it; or the reply that concerns the whole item.

    Args:
        begun: what :func:`begin` returned.
        part, parts: which part, and how many there are.
        before: the reply of an earlier part, whose end this one waits for.
    """
    if not isinstance(begun, Held):
        return {**begun, 'whole': True}
    division, content, shared = begun.content
    return Payload(pickle.dumps((division.work, division.cut(content, shared, part, parts), shared)))


def collect(replies: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """One reply for all parts: ``result`` has theirs, and ``workers`` who they are from."""
    for reply in replies:
        if reply['differs'] or reply.get('whole'):
            return reply
    return {
        **replies[0],
        'result': [reply['result'] for reply in replies],
        'workers': [reply['worker'] for reply in replies],
        'steps': sum(reply['steps'] for reply in replies),
    }


def _begun(expected: Mapping[str, Any], topic: str, whole: str, key: str) -> tuple[Any, dict[str, Any]]:
    """Report that a task has begun; returns its worker, and the beginning of its reply."""
    from distributed import get_worker

    worker: Any = get_worker()
    # Before the files are checked, since that may hang.
    worker.log_event(topic, (whole, key, 0))
    checked = worker.__dict__.setdefault('occupancy_differs', {})
    if topic not in checked:
        checked[topic] = differences(expected)
    return worker, {'worker': worker.address, 'host': platform.node(), 'differs': checked[topic]}


def check_worker(expected: Mapping[str, Any]) -> dict[str, Any]:
    """Host and differences of a worker."""
    return {'host': platform.node(), 'differs': differences(expected), 'python': sys.executable}
