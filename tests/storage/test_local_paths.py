"""Local paths are what they were: nothing is mirrored, fetched, or imported for them."""

import subprocess
import sys
from pathlib import Path

import pytest

from project.storage import mounts


def test_no_file_system_of_urls_is_imported(tiny_world):
    code = (
        'import sys; from project.commands.occ_convert import main; '
        'assert main(["--dataroot", sys.argv[1], "--dry-run"]) == 0; '
        'sys.exit(", ".join({"fsspec", "s3fs", "botocore"} & set(sys.modules)) or 0)'
    )
    done = subprocess.run([sys.executable, '-c', code, str(tiny_world)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_paths_are_themselves(tmp_path):
    (tmp_path / 'file').write_bytes(b'12345')
    assert mounts.mounted(str(tmp_path)) == mounts.mounted((tmp_path).as_uri()) == tmp_path
    assert list(mounts.sizes_of([tmp_path / 'file', tmp_path / 'none'])) == [5, -1]
    mounts.at_hand(tmp_path / 'none')
    mounts.soon([tmp_path / 'file'])
    assert mounts.mirror_at(tmp_path) is None and mounts.listed(tmp_path) == tmp_path


@pytest.mark.parametrize('path', ['data/nuscenes', './a:b', '/a//b', 'C:', 'file:///a/b', 'a=b'])
def test_what_is_no_url(path):
    assert not mounts.is_url(path)
    assert isinstance(mounts.mounted(path), Path)


@pytest.mark.parametrize('url', ['s3://b/k', 'memory://a', 'simplecache::s3://b/k', 'abfs+x://a'])
def test_what_is_a_url(url):
    assert mounts.is_url(url)
