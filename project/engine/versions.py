"""The environment of a run: versions of the project and of its main libraries, and the devices."""

import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path

import torch

import project

_PACKAGES = (
    'torch',
    'torchvision',
    'numpy',
    'mmengine',
    'mmcv',
    'mmcv-lite',
    'mmdet',
    'mmsegmentation',
    'mmdet3d',
    'timm',
)


@cache
def versions() -> dict[str, str | list[str]]:
    """Name and version of everything that a result may depend on; what is not installed is left out."""
    found: dict[str, str | list[str]] = {'project': project.__version__}
    commit = _commit()
    if commit:
        found['commit'] = commit
    found['python'] = platform.python_version()
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    if torch.cuda.is_available():
        found['cuda'] = torch.version.cuda or ''
        found['cudnn'] = str(torch.backends.cudnn.version())
        found['gpus'] = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return found


def _commit() -> str | None:
    """Commit of the checkout that this package is in, marked where files were changed since."""
    command = ['git', '-C', str(Path(__file__).parent), 'describe', '--always', '--dirty', '--abbrev=12', '--exclude=*']
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
