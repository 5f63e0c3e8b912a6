"""Finds an archive of labels of points that was unpacked beside the tables, and not into them."""

from pathlib import Path

from project.errors import UserError

KINDS = ('lidarseg', 'panoptic')
ARCHIVES = tuple(f'nuscenes-{kind}*' for kind in KINDS)
"""What the archives are called; they hold the folders ``v1.0-...`` and ``lidarseg`` or ``panoptic``."""


def check_nothing_is_misplaced(tables: Path, is_what: str = 'is missing') -> None:
    """Refuse to label points by their boxes while their labels are there, in another place.

    Looked at are the dataroot, the folders in it, and folders beside it that are called as the archives are. A folder
    with tables of its own is another dataroot.

    Args:
        tables: the folder of tables, without records of labels of points.
        is_what: what is wrong with the table of them.

    Raises:
        UserError: names the place, and what to do with it.
    """
    dataroot = tables.parent
    beside = [kind for kind in KINDS if (dataroot / kind).is_dir()]
    if beside:
        raise UserError(
            f'{tables / beside[0]}.json: this table {is_what}, but the folder {beside[0]} exists; unpack '
            f'the tables of nuScenes-{beside[0]} as well'
        )
    for place in _places(dataroot):
        for kind in KINDS:
            if _has(place, kind, tables.name) and not _is_dataroot(place):
                raise UserError(
                    f'{tables / kind}.json: this table {is_what}, but {place} has what belongs to it; move its '
                    f'{kind} and {tables.name} into {dataroot}, or keep it elsewhere to label by boxes and the ground'
                )


def _places(dataroot: Path) -> list[Path]:
    """What may be an unpacked archive: in the dataroot, or beside it."""
    try:
        beside = list(dataroot.absolute().parent.iterdir())
    except PermissionError:
        beside = []
    called = [path for path in beside if any(Path(path.name.lower()).match(name) for name in ARCHIVES)]
    return sorted([*dataroot.iterdir(), *called])


def _has(place: Path, kind: str, version: str) -> bool:
    return (place / version / f'{kind}.json').is_file() or (place / kind / version).is_dir()


def _is_dataroot(place: Path) -> bool:
    return any(place.glob('*/scene.json')) or (place / 'scene.json').is_file()
