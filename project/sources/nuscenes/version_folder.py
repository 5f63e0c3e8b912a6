"""Finds the folder of tables below a dataroot."""

from pathlib import Path

from project.errors import UserError

TEST = 'v1.0-test'
"""Has neither boxes nor lidarseg; it is used where it is asked for, or the only one."""

TABLES = ('scene.json', 'sample_data.json')
"""By these a folder of tables is known whatever its name."""


def find_version(dataroot: Path, version: str | None = None) -> str:
    """Name of the folder of tables to use: ``v1.0-trainval``, but ``annotation`` or ``train_data`` as well.

    Args:
        dataroot: the root folder of the data set.
        version: the folder asked for; None to look for the only one.

    Raises:
        UserError: there is none or no single one.
    """
    if not dataroot.is_dir():
        raise UserError(
            f'{dataroot}: no such folder; --dataroot names the folder that holds v1.0-trainval, samples, sweeps'
        )
    if version is not None:
        if not (dataroot / version).is_dir():
            raise UserError(f'{dataroot / version}: no such folder; the tables of {version} are not in this dataroot')
        return version
    found = sorted(
        path.name
        for path in dataroot.iterdir()
        if path.is_dir() and (path.match('v1.0-*') or all((path / table).is_file() for table in TABLES))
    )
    found = [name for name in found if name != TEST] or found
    if not found:
        hint = f'; give its parent, {dataroot.absolute().parent}' if (dataroot / TABLES[0]).is_file() else ''
        raise UserError(f'{dataroot}: holds no folder of tables such as v1.0-trainval or v1.0-mini{hint}')
    if len(found) > 1:
        raise UserError(f'{dataroot}: holds {" and ".join(found)}; choose one with --version')
    return found[0]
