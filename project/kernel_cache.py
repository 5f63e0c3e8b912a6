"""Chooses numba's cache folder: one for every state of this project's files.

numba compiles a function again when its file has changed. Constants and functions of other files become
part of the machine code as well, and if one of those changes, numba does not notice and uses the old code.
"""

import contextlib
import hashlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).parent

IMPORTED = re.compile(rb'^ *(?:from|import) ([\w.]+)', re.MULTILINE)

KEPT_S = 7 * 24 * 3600
"""An unused folder is kept for this long."""


def use_own_folder() -> None:
    """Give numba, once it is imported, the folder of this state, unless ``NUMBA_CACHE_DIR`` names one.

    Where the user's cache cannot be written (a read-only or no home, as in containers), a temporary folder is used.
    """
    config = sys.modules['numba'].config
    if config.CACHE_DIR:
        return
    name = f'numba-{state_of(PROJECT)}'
    for base in _bases():
        folder = base / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            os.utime(folder)
            if not os.access(folder, os.W_OK):
                continue
            unused = [path for path in base.glob('numba-*') if path.stat().st_mtime < time.time() - KEPT_S]
        except OSError:
            continue
        for path in unused:
            shutil.rmtree(path, ignore_errors=True)
        config.CACHE_DIR = str(folder)
        return


def _bases() -> Iterator[Path]:
    """Where there may be folders for machine code, the best place first."""
    with contextlib.suppress(RuntimeError):
        yield Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'occupancy-bevformer'
    # Of one user only: machine code that others could write would be run.
    base = Path(tempfile.gettempdir()) / f'occupancy-bevformer-{os.getuid()}'
    with contextlib.suppress(OSError):
        base.mkdir(mode=0o700, exist_ok=True)
        if base.stat().st_uid == os.getuid() and not base.is_symlink() and not base.stat().st_mode & 0o022:
            yield base


def is_compiled(module: str) -> bool:
    """Whether functions of a module such as ``project.geometry.traversal`` are compiled; else first calls take long."""
    package, name = module.split('.')[-2:]
    folder = sys.modules['numba'].config.CACHE_DIR
    files = Path(folder).glob(f'{package}_*/{name}.*.nbi') if folder else PROJECT.rglob(f'{package}/*/{name}.*.nbi')
    return next(files, None) is not None


def state_of(project: Path) -> str:
    """12 hexadecimal digits that change with the files of the package that kernels are made of: those that use numba,
    and all that these import."""
    texts = {path: path.read_bytes() for path in sorted(project.rglob('*.py'))}
    imports = {path: IMPORTED.findall(text) for path, text in texts.items()}
    files = [path for path, names in imports.items() if b'numba' in names]
    for path in files:  # grows meanwhile
        for name in imports[path]:
            module = project.parent / name.decode().replace('.', '/')
            imported = [module.with_suffix('.py'), *sorted(module.glob('*.py'))]
            files += [other for other in imported if other in texts and other not in files]
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(f'{path.relative_to(project)}\0'.encode() + texts[path] + b'\0')
    return digest.hexdigest()[:12]
