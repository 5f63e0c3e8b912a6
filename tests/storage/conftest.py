"""A real S3 server on loopback, and a proxy before it that fails."""

import os
from collections.abc import Iterator
from multiprocessing import forkserver

import pytest

KEYS = {'AWS_ACCESS_KEY_ID': 'tests', 'AWS_SECRET_ACCESS_KEY': 'tests', 'AWS_DEFAULT_REGION': 'us-east-1'}


@pytest.fixture(scope='session')
def s3_server() -> Iterator[str]:
    """Address of the server."""
    server = pytest.importorskip('moto.server', reason='needs a server of S3 (moto)')
    running = server.ThreadedMotoServer(ip_address='127.0.0.1', port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f'http://{host}:{port}'
    running.stop()


@pytest.fixture
def use_endpoint(monkeypatch: pytest.MonkeyPatch):
    """Makes this process, and those that it starts, find S3 at an address."""
    pytest.importorskip('s3fs', reason="needs the extra 'cloud'")
    import fsspec.config

    def use(address: str) -> None:
        # A server of forks that an earlier test has started keeps the environment of that time.
        forkserver._forkserver._stop()
        for name, value in KEYS.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv('FSSPEC_S3_ENDPOINT_URL', address)
        monkeypatch.setitem(fsspec.config.conf, 's3', {'endpoint_url': address})

    return use


@pytest.fixture
def bucket(s3_server: str, use_endpoint) -> str:
    """URL of an empty bucket."""
    import s3fs

    use_endpoint(s3_server)
    name = f'bucket-{os.urandom(4).hex()}'
    s3fs.S3FileSystem().mkdir(name)
    return f's3://{name}'


@pytest.fixture(autouse=True)
def _no_mirrors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test starts as a new process does, which knows no URL."""
    from project import errors
    from project.storage import mounts

    monkeypatch.setattr(mounts, '_MIRRORS', {})
    monkeypatch.setattr(mounts, '_SCRATCH', {})
    errors.SHOWN_AS.clear()
