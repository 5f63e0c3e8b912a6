"""Typed records of a table, however it is laid out; what is wrong is named by table, record and field."""

import json

import pytest

from project.errors import UserError
from project.sources.nuscenes import reader
from project.sources.nuscenes.reader import read_table
from project.sources.nuscenes.schema import CalibrationRow, LabelsRow, PoseRow, ReadingRow, SampleRow

SAMPLES = [
    {'token': f'k{i}', 'scene_token': 's', 'timestamp': i, 'extra': {'a': [1, {'b': '}, {'}], 'text': '] } , { "['}}
    for i in range(30)
]


def read(folder, row=SampleRow, **options):
    return [record for rows in read_table(folder, 'sample', row, **options) for record in rows]


def write(folder, records, **options):
    (folder / 'sample.json').write_text(json.dumps(records, **options))


@pytest.mark.parametrize('piece', [1, 7, 200, 1 << 20])
@pytest.mark.parametrize('indent', [None, 0, 2])
def test_a_table_is_the_same_however_it_is_read_and_laid_out(tmp_path, monkeypatch, piece, indent):
    write(tmp_path, SAMPLES, indent=indent)
    monkeypatch.setattr(reader, 'PIECE', piece)
    found = read(tmp_path)
    assert [(row.token, row.timestamp, row.prev) for row in found] == [(f'k{i}', i, '') for i in range(30)]


@pytest.mark.parametrize('piece', [150, 1 << 20])
def test_pieces_without_a_wanted_record_are_left_out(tmp_path, monkeypatch, piece):
    write(tmp_path, SAMPLES)
    monkeypatch.setattr(reader, 'PIECE', piece)
    tokens = [row.token for row in read(tmp_path, field='token', skipped={f'k{i}' for i in range(30) if i != 17})]
    assert 'k17' in tokens and (len(tokens) < 15 if piece == 150 else len(tokens) == 30)


def test_what_windows_and_other_programs_write_is_read(tmp_path):
    text = json.dumps(SAMPLES, indent=1).replace('\n', '\r\n')
    (tmp_path / 'sample.json').write_bytes(b'\xef\xbb\xbf' + text.encode())
    assert len(read(tmp_path)) == 30
    write(tmp_path, [{**SAMPLES[0], 'velocity': float('nan')}, SAMPLES[1]])
    assert [row.token for row in read(tmp_path)] == ['k0', 'k1']
    write(tmp_path, [])
    assert read(tmp_path) == []


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(UserError, match=r'lidarseg\.json: this table is missing; unpack nuScenes-lidarseg'):
        list(read_table(tmp_path, 'lidarseg', LabelsRow))


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', 'is not a list of records'),
        ('{"token": "a"}', 'is not a list of records'),
        ('[{"token": "a"}, {"tok', 'record 1 .token a. has no field scene_token'),
        ('[%s, {"tok', 'record 2 is cut off or damaged'),
        ('[%s', 'record 2 is cut off or damaged'),
        ('[%s] x', 'goes on after its list of 1 records'),
        ('[%s, 7]', 'record 2 is 7, not an object with fields'),
        ('[%s, {"token": "b" "c"}, %s]', 'record 2 is cut off or damaged'),
    ],
)
@pytest.mark.parametrize('piece', [3, 1 << 20])
def test_a_damaged_table_is_named(tmp_path, monkeypatch, text, message, piece):
    monkeypatch.setattr(reader, 'PIECE', piece)
    (tmp_path / 'sample.json').write_text(text.replace('%s', json.dumps(SAMPLES[0])))
    with pytest.raises(UserError, match=rf'sample\.json: {message}'):
        read(tmp_path)


def test_damage_in_the_middle_of_a_large_table_does_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, 'PIECE', 1000)
    monkeypatch.setattr(reader, 'LARGEST_RECORD', 3000)
    good = json.dumps(SAMPLES[0])
    (tmp_path / 'sample.json').write_text(f'[{good}, {{"token" {good}, ' + ', '.join([good] * 1000) + ']')
    with pytest.raises(UserError, match=r'sample\.json: record 2 is cut off or damaged \(goes on for too long\)'):
        read(tmp_path)


def test_a_table_in_another_encoding_is_named(tmp_path):
    (tmp_path / 'sample.json').write_bytes('[{"token": "ü"}]'.encode('latin-1'))
    with pytest.raises(UserError, match=r'sample\.json: is not text in UTF-8'):
        read(tmp_path)


POSE = {'token': 'p', 'rotation': [1, 0, 0, 0], 'translation': [0.0, 0, 0]}
READING = {
    'token': 'r', 'sample_token': 'k', 'ego_pose_token': 'p', 'calibrated_sensor_token': 'c', 'timestamp': 5,
    'is_key_frame': True, 'filename': 'f',
}  # fmt: skip
CALIBRATION = {**POSE, 'token': 'c', 'sensor_token': 's', 'camera_intrinsic': [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}


@pytest.mark.parametrize(
    ('row', 'record', 'field', 'value', 'expected'),
    [
        (PoseRow, POSE, 'rotation', [1, 0, 0], 'four numbers'),
        (PoseRow, POSE, 'rotation', [float('nan'), 0, 0, 0], 'four numbers'),
        (PoseRow, POSE, 'translation', [0, None, 0], 'three numbers'),
        (PoseRow, POSE, 'translation', [0, True, 0], 'three numbers'),
        (PoseRow, POSE, 'translation', [0, 1, 2, 3], 'three numbers'),
        (ReadingRow, READING, 'timestamp', None, 'a whole number of microseconds'),
        (ReadingRow, READING, 'timestamp', 1.5e9, 'a whole number of microseconds'),
        (ReadingRow, READING, 'timestamp', 10**30, 'a whole number of microseconds'),
        (ReadingRow, READING, 'is_key_frame', 1, 'true or false'),
        (ReadingRow, READING, 'filename', ['f'], 'a text'),
        (ReadingRow, READING, 'width', '', 'a whole number of pixels'),
        (CalibrationRow, CALIBRATION, 'camera_intrinsic', [[float('inf'), 0, 0]] * 3, 'three rows of three'),
        (CalibrationRow, CALIBRATION, 'camera_intrinsic', {}, 'three rows of three'),
    ],
)
def test_a_wrong_field_is_named_with_what_it_holds_and_should(tmp_path, row, record, field, value, expected):
    write(tmp_path, [{**record, 'token': 'good'}, {**record, field: value}])
    token = record['token']
    with pytest.raises(
        UserError, match=rf'sample\.json: record 2 \(token {token}\): {field} is .* should be {expected}'
    ):
        read(tmp_path, row)
    missing = {key: content for key, content in record.items() if key != field}
    write(tmp_path, [record, missing])
    if field in ('width', 'camera_intrinsic'):
        assert len(read(tmp_path, row)) == 2
    else:
        with pytest.raises(UserError, match=rf'record 2 \(token {token}\) has no field {field}'):
            read(tmp_path, row)
