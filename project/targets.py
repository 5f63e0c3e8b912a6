"""Checks, before hours of work, that a command can write its result."""

import os
from pathlib import Path

from project.errors import UserError


def check_target(path: str | Path, folder: bool = False) -> None:
    """Check, before hours of work, that the result of a command can be written.

    Args:
        path: the file.
        folder: it is a folder for files, which may be there already.

    Raises:
        UserError: it cannot.
    """
    path = Path(path).absolute()
    if path.is_dir() and not folder:
        raise UserError(f'{path} is a folder; name a file in it')
    existing = next(each for each in (path if folder else path.parent, *path.parents) if each.exists())
    if not existing.is_dir():
        raise UserError(f'{path} cannot be written: {existing} is a file, not a folder')
    if not os.access(existing, os.W_OK):
        raise UserError(f'{path} cannot be written: {existing} is write-protected; name another place')
