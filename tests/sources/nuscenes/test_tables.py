"""Reading of tables by several processes, and files that two records name."""

import re
from dataclasses import fields

import numpy as np
import pytest
from table_edits import copied, edit, rows

from project.errors import UserError
from project.sources.nuscenes import tables
from project.sources.nuscenes.source import NuScenesSource
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


def test_a_file_of_two_sweeps_is_refused(tiny_world, tmp_path):
    world = copied(tiny_world, tmp_path / 'world')
    first, second, *_ = sorted(row['filename'] for row in rows(world, 'sample_data') if 'LIDAR' in row['filename'])
    renamed = {second: first}
    edit(
        world,
        'sample_data',
        lambda records: [row | {'filename': renamed.get(row['filename'], row['filename'])} for row in records],
    )
    with pytest.raises(UserError, match=rf'sample_data.json: \w+ and \w+ have one file, {re.escape(first)}'):
        [*map(NuScenesSource(world).load, ('scene-0061', 'scene-0103'))]


def test_a_file_of_labels_of_two_sweeps_is_refused(tiny_world, tmp_path):
    world = copied(tiny_world, tmp_path / 'world')
    file = rows(world, 'lidarseg')[0]['filename']
    edit(world, 'lidarseg', lambda records: [row | {'filename': file} for row in records])
    with pytest.raises(UserError, match=f'lidarseg.json: .* have one file, {file}'):
        NuScenesSource(world)


def test_an_empty_table_of_labels_beside_their_files_is_refused(tiny_world, tmp_path):
    world = copied(tiny_world, tmp_path / 'world')
    edit(world, 'lidarseg', lambda records: [])
    with pytest.raises(UserError, match='lidarseg.json: this table is empty, but the folder lidarseg exists'):
        NuScenesSource(world)


def test_a_scene_without_labels_of_points_is_counted_where_others_have_them(tiny_world, tmp_path):
    world = copied(tiny_world, tmp_path / 'world')
    with_labels = {keyframe.lidar_token for keyframe in NuScenesSource(world).load('scene-0103').keyframes}
    edit(world, 'lidarseg', lambda records: [row for row in records if row['sample_data_token'] in with_labels])
    source = NuScenesSource(world)
    assert 'lidarseg.json: has no labels for any of' in source.load('scene-0061').left_out[-1]
    assert not source.load('scene-0103').left_out


@pytest.mark.parametrize('unit', [100, 1000])
def test_calibrations_in_other_units_are_refused(tiny_world, tmp_path, unit):
    world = copied(tiny_world, tmp_path / 'world')
    calibrations = rows(world, 'calibrated_sensor')
    for row in calibrations:
        row['translation'] = [unit * value for value in row['translation']]
    edit(world, 'calibrated_sensor', lambda _: calibrations)
    with pytest.raises(UserError, match=r'calibrated_sensor.json: \w+: translation is .* is it in metres'):
        NuScenesSource(world)


def test_boxes_that_are_all_missing_are_counted(tiny_world, tmp_path):
    world = copied(tiny_world, tmp_path / 'world')
    edit(world, 'sample_annotation', lambda records: [])
    assert 'sample_annotation.json: has no boxes, though instance.json has' in NuScenesSource(world).left_out[-1]
    edit(world, 'instance', lambda records: [])
    assert not NuScenesSource(world).left_out


def test_an_object_whose_only_box_is_missing_is_counted(tiny_world, tmp_path):
    world = copied(tiny_world, tmp_path / 'world')
    boxes = rows(world, 'sample_annotation')
    alone = next(box for box in boxes if not box['prev'] and not box['next'])
    edit(world, 'sample_annotation', lambda records: [box for box in records if box['token'] != alone['token']])
    (said,) = NuScenesSource(world).left_out
    assert said.endswith(f'lacks the boxes of 1 objects of instance.json, such as {alone["instance_token"]}')
