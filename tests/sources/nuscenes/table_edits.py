"""Edits of the tables of a synthetic world, each in a copy of its own."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

VERSION = 'v1.0-mini'


def copied(world: Path, to: Path) -> Path:
    """A copy of a world: sensor files as links, tables as files of their own."""
    shutil.copytree(world, to, copy_function=os.link)
    for table in (to / VERSION).glob('*.json'):
        content = table.read_bytes()
        table.unlink()
        table.write_bytes(content)
    return to


def rows(world: Path, table: str) -> list[dict]:
    """The records of a table."""
    return json.loads((world / VERSION / f'{table}.json').read_text())


def put(world: Path, table: str, records: list[dict]) -> None:
    """Write a table."""
    (world / VERSION / f'{table}.json').write_text(json.dumps(records))


def edit(world: Path, table: str, change: Callable[[list[dict]], list[dict] | None]) -> None:
    """Change a table."""
    records = rows(world, table)
    changed = change(records)
    put(world, table, records if changed is None else changed)
