"""Reading of tables by several processes."""

from dataclasses import fields

import numpy as np
import pytest

from project.errors import UserError
from project.sources.nuscenes import tables
from project.sources.nuscenes.tables import read_tables


def test_two_processes_read_the_same(tiny_world, monkeypatch):
    one = read_tables(tiny_world / 'v1.0-mini')
    monkeypatch.setattr(tables, 'LARGE_TABLE', 0)
    two = read_tables(tiny_world / 'v1.0-mini', processes=2)
    assert len(one.annotations.numbers) > 100
    for field in fields(one.annotations):
        np.testing.assert_array_equal(getattr(two.annotations, field.name), getattr(one.annotations, field.name))
    assert two.left_out == one.left_out


def test_an_error_of_the_other_process_is_told_as_its_own(tiny_world, monkeypatch, tmp_path):
    folder = tmp_path / 'v1.0-mini'
    folder.mkdir()
    for table in (tiny_world / 'v1.0-mini').glob('*.json'):
        (folder / table.name).symlink_to(table)
    (folder / 'sample_annotation.json').unlink()
    (folder / 'sample_annotation.json').write_text('[{"token": "a", "sample_token": 3}]')
    monkeypatch.setattr(tables, 'LARGE_TABLE', 0)
    with pytest.raises(UserError, match=r'sample_annotation\.json: record 1 \(token a\)'):
        read_tables(folder, processes=2)
