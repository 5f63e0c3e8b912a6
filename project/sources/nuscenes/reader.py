"""Reads a table as typed records, some thousand at a time: tables of v1.0-trainval have 2.6 GB.

A table is cut into pieces where a record seems to end, and msgspec decodes them. If it rejects a piece, the piece is
read again record by record, which is slow but finds the wrong record and the reason. This also accepts NaN in fields
that are not needed: JSON does not allow it, but many programs write it.
"""

import json
import math
import re
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar

import msgspec

from project.errors import UserError, printable
from project.sources.nuscenes.schema import EXPECTED, Row

PIECE = 1 << 20
"""Number of bytes decoded at once."""

LARGEST_RECORD = 1 << 24
"""A record has fewer bytes than this; otherwise the table is damaged."""

_END_OF_RECORD = re.compile(rb'\}\s*,\s*(?=\{)')
_SPACE = ' \t\r\n'
_BETWEEN = _SPACE.encode() + b','
_BYTE_ORDER_MARK = b'\xef\xbb\xbf'
_FIELD = re.compile(r'field `(\w+)`|\$\.(\w+)')

R = TypeVar('R', bound=Row)


def read_table(
    folder: Path, name: str, row: type[R], field: str = '', skipped: Container[Any] = frozenset()
) -> Iterator[list[R]]:
    """Yields the records of a table, some at a time.

    Args:
        folder: folder of the tables.
        name: name of the table.
        row: type of its records.
        field: a field that is checked first, to save time: pieces of the table are skipped if all values of this field
            are among the `skipped`. Other pieces may still hold such records.
        skipped: values of that field.

    Raises:
        UserError: the table is missing or damaged; the message names record and field.
    """
    path = folder / f'{name}.json'
    try:
        with open(path, 'rb') as file:
            yield from _Reader(file, path, row, field, skipped)
    except FileNotFoundError:
        remedy = 'unpack nuScenes-lidarseg there' if name == 'lidarseg' else 'unpack the metadata of nuScenes there'
        raise UserError(f'{path}: this table is missing; {remedy}') from None


class _Reader(Generic[R]):
    def __init__(self, file: BinaryIO, path: Path, row: type[R], field: str, skipped: Container[Any]):
        self._file, self._path, self._row, self._field, self._skipped = file, path, row, field, skipped
        self._rows: msgspec.json.Decoder[list[R]] = msgspec.json.Decoder(list[row])  # type: ignore[valid-type]
        key: Any = msgspec.defstruct('Key', [(field, Any)] if field else [], gc=False)
        self._keys = msgspec.json.Decoder(list[key])
        self._number = 1

    def __iter__(self) -> Iterator[list[R]]:
        content = self._file.read(PIECE).removeprefix(_BYTE_ORDER_MARK).lstrip(_SPACE.encode())
        if not content.startswith(b'['):
            raise UserError(f'{self._path}: is not a list of records')
        content, at_end = content[1:], False
        while not at_end:
            more = self._file.read(PIECE)
            at_end = not more
            end = len(content) if at_end else _last_end(content)
            if at_end or end:
                rows, left = self._decoded(content[:end], at_end)
                yield rows
                content = left + content[end:] if left else content[end:].lstrip(_BETWEEN)
            if len(content) > LARGEST_RECORD:
                self._raise_damage('goes on for too long')
            content += more

    def _decoded(self, piece: bytes, at_end: bool) -> tuple[list[R], bytes]:
        """The records of a piece, and the incomplete record at its end."""
        text = b'[' + piece + (b'' if at_end else b']')
        try:
            if self._field:
                keys = self._keys.decode(text)
                if all(getattr(key, self._field) in self._skipped for key in keys):
                    self._number += len(keys)
                    return [], b''
            rows = self._rows.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError):
            return self._one_by_one(piece, at_end)
        self._number += len(rows)
        return rows, b''

    def _one_by_one(self, piece: bytes, at_end: bool) -> tuple[list[R], bytes]:
        try:
            text = piece.decode()
        except UnicodeDecodeError as error:
            raise UserError(
                f'{self._path}: is not text in UTF-8 ({error}), in record {self._number} or a later one; '
                'the download is damaged'
            ) from None
        decode, at = json.JSONDecoder().raw_decode, 0
        rows: list[R] = []
        while True:
            while at < len(text) and text[at] in _SPACE + ',':
                at += 1
            if text[at : at + 1] == ']' and at_end:
                if text[at + 1 :].strip():
                    raise UserError(f'{self._path}: goes on after its list of {self._number - 1} records')
                return rows, b''
            try:
                record, at = decode(text, at)
            except (ValueError, RecursionError) as error:  # a number of thousands of digits is a plain ValueError
                if at_end:
                    self._raise_damage(error)
                return rows, text[at:].encode()
            rows.append(self._row_of(record))
            self._number += 1

    def _row_of(self, record: Any) -> R:
        if not isinstance(record, dict):
            raise UserError(f'{self._path}: record {self._number} is {_short(record)}, not an object with fields')
        try:
            row = msgspec.convert(record, self._row)
        except msgspec.ValidationError as error:
            found = _FIELD.search(str(error))
            self._raise_wrong(record, found.group(1) or found.group(2) if found else '', str(error))
        except UnicodeEncodeError:
            raise UserError(
                f'{self._path}: record {self._number} has half of a character (a surrogate): {_short(record)}'
            ) from None
        for field in self._row.__struct_fields__:
            value = getattr(row, field)
            if isinstance(value, str) and printable(value) != value:
                self._raise_wrong(record, field, 'text that is none')
            if not _finite(value):
                self._raise_wrong(record, field, 'number that is none')
        return row

    def _raise_wrong(self, record: dict, field: str, problem: str) -> None:
        where = f'{self._path}: record {self._number} (token {printable(str(record.get("token", "missing")))})'
        if field not in record:
            raise UserError(f'{where} has no field {field}' if field else f'{where}: {problem}')
        expected = EXPECTED.get(field, 'a text')
        raise UserError(f'{where}: {field} is {_short(record[field])}; it should be {expected}')

    def _raise_damage(self, problem: object) -> None:
        raise UserError(
            f'{self._path}: record {self._number} is cut off or damaged ({problem}); the download is damaged'
        )


def _last_end(content: bytes) -> int:
    """End of the last record that is followed by another one; 0 if there is none."""
    for start in (max(len(content) - (PIECE >> 4), 0), 0):
        ends = [match.start() + 1 for match in _END_OF_RECORD.finditer(content, start)]
        if ends:
            return ends[-1]
    return 0


def _finite(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def _short(value: object) -> str:
    text = printable(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= 80 else f'{text[:77]}...'
