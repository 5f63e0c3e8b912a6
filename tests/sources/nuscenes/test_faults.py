"""What is wrong in tables that parse is told: refused with its name, or counted as left out; nothing is silent."""

import copy
import json

import numpy as np
import pytest
from table_edits import VERSION, copied, edit, put, rows

from project.errors import UserError
from project.sources.nuscenes.source import NuScenesSource


@pytest.fixture
def world(tiny_world, tmp_path):
    return copied(tiny_world, tmp_path / 'world')


def channel_of(world) -> dict[str, str]:
    sensors = {row['token']: row['channel'] for row in rows(world, 'sensor')}
    return {row['token']: sensors[row['sensor_token']] for row in rows(world, 'calibrated_sensor')}


def readings(world, channel='LIDAR_TOP', scene='scene-0061', keyframe=None) -> list[dict]:
    """Records of a sensor in a scene, in order of time."""
    tokens = {row['token']: row['name'] for row in rows(world, 'scene')}
    scene_of = {row['token']: tokens[row['scene_token']] for row in rows(world, 'sample')}
    channels = channel_of(world)
    found = [
        row
        for row in rows(world, 'sample_data')
        if scene_of[row['sample_token']] == scene and channels[row['calibrated_sensor_token']] == channel
        and keyframe in (None, row['is_key_frame'])
    ]  # fmt: skip
    return sorted(found, key=lambda row: row['timestamp'])


def change(world, table, token, **fields) -> None:
    """Change fields of the record of a token."""
    edit(world, table, lambda records: [row | fields if row['token'] == token else row for row in records])


def keyframes(world, scene='scene-0061') -> list[dict]:
    (token,) = (row['token'] for row in rows(world, 'scene') if row['name'] == scene)
    return sorted((r for r in rows(world, 'sample') if r['scene_token'] == token), key=lambda row: row['timestamp'])


def load(world, scene='scene-0061', **options):
    return NuScenesSource(world, **options).load(scene)


def refused(world, message, scene='scene-0061'):
    """The scene is refused; the other one is not."""
    with pytest.raises(UserError, match=message) as error:
        load(world, scene)
    assert scene in str(error.value)
    load(world, 'scene-0103')


def same(first, second) -> bool:
    arrays = ('timestamps_us', 'global_from_ego', 'ego_from_lidar', 'keyframe_sweeps')
    return (
        first.keyframes == second.keyframes
        and first.sweep_files == second.sweep_files
        and all((getattr(first, name) == getattr(second, name)).all() for name in arrays)
        and (first.tracks.global_from_box == second.tracks.global_from_box).all()
    )


@pytest.mark.parametrize('unit', [1000, 1e-3, 1e-6])
def test_times_in_other_units(world, unit):
    def scaled(records):
        return [row | {'timestamp': int(row['timestamp'] * unit)} for row in records]

    edit(world, 'sample', scaled)
    edit(world, 'sample_data', scaled)
    with pytest.raises(UserError, match={1000: 'may be nanosec', 1e-3: 'may be millisec', 1e-6: 'timestamps'}[unit]):
        load(world)


def test_times_that_stand_still(world):
    second, third = (row['token'] for row in readings(world)[1:3])
    time = readings(world)[1]['timestamp']
    change(world, 'sample_data', third, timestamp=time)
    refused(world, rf'sample_data\.json: {second} and {third}.* timestamps {time} and {time}|lead')
    edit(world, 'sample', lambda records: [row | {'timestamp': 0} for row in records])
    with pytest.raises(UserError, match=r'has the timestamp .* s from that of the keyframe, 0'):
        load(world)


def test_keyframes_in_one_order_and_sweeps_in_another(world):
    first, second, _ = keyframes(world)
    change(world, 'sample', first['token'], timestamp=second['timestamp'])
    change(world, 'sample', second['token'], timestamp=first['timestamp'])
    refused(world, r'sample\.json: .* timestamps .* have to increase')


@pytest.mark.parametrize('table', ['sample', 'sample_data'])
def test_chains_with_a_jump_or_a_loop(world, table):
    records = keyframes(world) if table == 'sample' else readings(world)
    change(world, table, records[0]['token'], next=records[2]['token'])
    refused(
        world, rf'{table}\.json: next of {records[0]["token"]} leads to {records[2]["token"]}, which does not follow'
    )
    change(world, table, records[0]['token'], next=records[0]['token'])
    refused(world, rf'{table}\.json: next of {records[0]["token"]} leads to {records[0]["token"]}')


@pytest.mark.parametrize('table', ['sample', 'sample_data', 'sample_annotation'])
def test_records_that_are_missing_from_a_chain_are_told(world, table):
    if table == 'sample':
        gone = keyframes(world)[1]['token']
    elif table == 'sample_data':
        gone = readings(world, keyframe=False)[2]['token']
    else:
        gone = next(row['token'] for row in rows(world, table) if row['next'] and row['prev'])
    edit(world, table, lambda records: [row for row in records if row['token'] != gone])
    source = NuScenesSource(world)
    said = [*source.left_out, *source.load('scene-0061').left_out, *source.load('scene-0103').left_out]
    assert any(sentence.startswith(f'{table}.json: lacks 1 ') for sentence in said), said


@pytest.mark.parametrize('token', ['', None, '0' * 32])
def test_sweeps_without_a_keyframe_are_put_in_their_place(world, token):
    expected = load(world)
    sweeps = readings(world, keyframe=False)
    for row in sweeps[1:4]:
        change(world, 'sample_data', row['token'], sample_token=token)
    assert same(load(world), expected)
    # The first one has only its time to tell, as in tables without chains.
    edit(world, 'sample_data', lambda records: [row | {'prev': '', 'next': ''} for row in records])
    source = NuScenesSource(world)
    assert same(source.load('scene-0061'), expected) and source.left_out == ()
    change(world, 'sample_data', sweeps[1]['token'], timestamp=5)
    (said,) = NuScenesSource(world).left_out
    assert said.startswith('sample_data.json: 1 files of sensors are left out')


@pytest.mark.parametrize(
    ('table', 'field', 'said'),
    [
        ('sample', 'scene_token', r'sample.json: 1 keyframes are left out'),
        ('sample_annotation', 'sample_token', r'sample_annotation.json: 1 boxes are left out'),
    ],
)
def test_what_belongs_nowhere_is_counted(world, table, field, said):
    change(world, table, rows(world, table)[1]['token'], **{field: '0' * 32})
    assert any(sentence.startswith(said) for sentence in NuScenesSource(world).left_out)


@pytest.mark.parametrize(
    ('table', 'field', 'said'),
    [
        ('sample_data', 'calibrated_sensor_token', r'sample_data\.json: the calibrated_sensor_token .* leads to no'),
        ('sample_data', 'ego_pose_token', r'sample_data\.json: the ego_pose_token .* leads to no'),
        ('sample_annotation', 'instance_token', r'sample_annotation\.json: .* instance_token .* leads to no'),
    ],
)
def test_links_that_lead_nowhere(world, table, field, said):
    if table == 'sample_data':
        token = readings(world)[3]['token']
    else:
        mine = {row['token'] for row in keyframes(world)}
        token = next(row['token'] for row in rows(world, table) if row['sample_token'] in mine)
    change(world, table, token, **{field: '0' * 32})
    refused(world, said)


@pytest.mark.parametrize(
    'table', ['sample_data', 'sample_annotation', 'sample', 'ego_pose', 'instance', 'lidarseg', 'scene']
)
def test_records_twice(world, table):
    expected = load(world)
    edit(world, table, lambda records: records + copy.deepcopy(records))
    assert same(load(world), expected)
    field = {'sample_data': 'timestamp', 'sample': 'timestamp', 'scene': 'name', 'lidarseg': 'filename'}.get(table)
    different = {'timestamp': 7, 'name': 'other', 'filename': 'other'}

    def differing(records):
        row = next(r for r in records if table != 'sample_data' or r['token'] == readings(world)[0]['token'])
        if field:
            row[field] = different[field]
        elif table == 'instance':
            row['category_token'] = rows(world, 'category')[0]['token']
        elif table == 'ego_pose':
            row['translation'] = [row['translation'][0] + 1, *row['translation'][1:]]
        else:
            row['size'] = [size + 1 for size in row['size']]
        return records

    edit(world, table, differing)
    with pytest.raises(UserError, match=rf'{table}\.json: .*(differ|two)'):
        source = NuScenesSource(world)
        for scene in source.scene_names:
            source.load(scene)


def test_more_than_one_reading_of_a_keyframe(world):
    expected = load(world)
    edit(world, 'sample_data', lambda records: [row | {'is_key_frame': True} for row in records])
    assert same(load(world), expected)
    first = readings(world, 'CAM_FRONT')[0]
    copies = [first | {'token': 'a' * 32, 'filename': 'samples/other.jpg', 'prev': '', 'next': ''}]
    put(world, 'sample_data', rows(world, 'sample_data') + copies)
    refused(world, 'has two files of CAM_FRONT')


def test_a_keyframe_without_its_lidar(world):
    row = readings(world, keyframe=True)[1]
    change(world, 'sample_data', row['token'], is_key_frame=False)
    refused(world, rf'sample_data\.json: has no LIDAR_TOP of keyframe {row["sample_token"]}')


def test_boxes_out_of_reach_or_without_a_size_leave_the_others_alone(world):
    expected = load(world)
    box = next(row for row in rows(world, 'sample_annotation') if row['sample_token'] == keyframes(world)[1]['token'])
    odd = ({'translation': [1e9, -1e9, 0]}, {'size': [0, 0, 0]}, {'size': [1e4, 1e4, 1e4]}, {'size': [0, 4, 1.5]})
    for n, fields in enumerate(odd):
        name = f'{n:032x}'
        put(world, 'instance', [*rows(world, 'instance'), rows(world, 'instance')[0] | {'token': name}])
        extra = box | {'token': name, 'instance_token': name, 'prev': '', 'next': ''} | fields
        put(world, 'sample_annotation', [*rows(world, 'sample_annotation'), extra])
    scene = load(world)
    assert same(scene, expected)
    (said,) = scene.left_out
    assert said.startswith('4 boxes are left out, 1 for being more than 500 m away, 3 for a size')


def test_poses_that_cannot_be(world):
    row = readings(world)[4]
    pose = next(pose for pose in rows(world, 'ego_pose') if pose['token'] == row['ego_pose_token'])
    x, y, z = pose['translation']
    for fields, said in (
        ({'translation': [x + 300, y, z]}, r'the car moves \d+ m in the 0\.05 s'),
        ({'translation': [1e12, y, z]}, r'is at \[1000000000000'),
        ({'rotation': [0.0, 1.0, 0.0, 0.0]}, 'is tilted by 180 degrees'),
        ({'rotation': [0, 0, 0, 0]}, r'ego_pose\.json: .* which is no quaternion'),
    ):
        change(world, 'ego_pose', **(pose | fields))
        refused(world, said)


@pytest.mark.parametrize('token', [-1, 2])
def test_quaternions_of_any_length_and_sign_are_the_same(world, token):
    expected = load(world)
    for table in ('ego_pose', 'calibrated_sensor', 'sample_annotation'):
        edit(
            world, table, lambda records: [row | {'rotation': [token * q for q in row['rotation']]} for row in records]
        )
    found = load(world)
    np.testing.assert_allclose(found.global_from_ego, expected.global_from_ego, atol=1e-9)
    np.testing.assert_allclose(found.tracks.global_from_box, expected.tracks.global_from_box, atol=1e-9)


@pytest.mark.parametrize('size', [(80, 45), (0, 90), (320, 180)])
def test_calibration_of_another_image_size(world, size):
    edit(world, 'sample_data', lambda records: [
        row | ({'width': size[0], 'height': size[1]} if row['width'] else {}) for row in records
    ])  # fmt: skip
    if size == (320, 180):
        load(world)
    else:
        with pytest.raises(UserError, match='principal point|has the size 0x90'):
            load(world)


@pytest.mark.parametrize(
    ('name', 'expected'),
    [('db/uuid/0', 'db_uuid_0'), ('../../w/evil', '___.._w_evil'), ('a b ü', 'a b ü'), ('..', None), ('', None)],
)
def test_names_of_scenes_are_names_of_folders(world, name, expected):
    edit(
        world,
        'scene',
        lambda records: [row | ({'name': name} if row['name'] == 'scene-0061' else {}) for row in records],
    )
    (world / VERSION / 'splits.json').write_text(json.dumps({'train': [name, 'scene-0103'], 'val': []}))
    if expected is None:
        with pytest.raises(UserError, match=r'scene\.json.*cannot be the name of a folder'):
            NuScenesSource(world)
    else:
        source = NuScenesSource(world)
        assert source.scene_names[0] == expected and expected in source.splits['train']
        assert NuScenesSource(world, scene_names=[name]).scene_names == (expected,)
        assert {keyframe.scene_name for keyframe in source.load(expected).keyframes} == {expected}


@pytest.mark.parametrize('written', [lambda name: name.replace('/', '\\'), lambda name: f'./{name}'])
def test_paths_that_others_write(world, written):
    expected = load(world)
    for table in ('sample_data', 'lidarseg'):
        edit(world, table, lambda records: [row | {'filename': written(row['filename'])} for row in records])
    found = load(world)
    assert same(found, expected) and found.label_files == expected.label_files


def test_images_that_some_keyframes_lack_are_counted(world):
    (image, *_) = readings(world, 'CAM_BACK', keyframe=True)
    edit(world, 'sample_data', lambda records: [row for row in records if row['token'] != image['token']])
    (note,) = load(world).left_out
    assert note.startswith(f'sample_data.json: has no CAM_BACK of 1 of 3 keyframes, as of {image["sample_token"]}')


def test_images_without_a_size_among_others_are_counted(world):
    (image, *_) = readings(world, 'CAM_BACK', keyframe=True)
    change(world, 'sample_data', image['token'], width=None)
    assert 'has no width or height of CAM_BACK of 1 of 3' in load(world).left_out[0]


def test_two_sensors_of_one_channel(world):
    channels = {row['channel']: row['token'] for row in rows(world, 'sensor')}
    back = [row for row in rows(world, 'calibrated_sensor') if row['sensor_token'] == channels['CAM_BACK']]
    for calibration in back:
        change(world, 'calibrated_sensor', calibration['token'], sensor_token=channels['CAM_FRONT'])
    with pytest.raises(UserError, match='two files of CAM_FRONT for keyframe .* of two calibrations'):
        load(world)


def test_an_image_that_was_taken_elsewhere(world):
    image = readings(world, 'CAM_BACK', keyframe=True)[1]
    (far,) = (row for row in rows(world, 'ego_pose') if row['token'] == image['ego_pose_token'])
    change(world, 'ego_pose', far['token'], translation=[far['translation'][0] + 300, *far['translation'][1:]])
    refused(world, r'the car is 3\d\d m from where it is at keyframe .* when samples/CAM_BACK')


@pytest.mark.parametrize('field', ['instance_token', 'sample_token'])
def test_boxes_whose_links_lead_to_another_object_or_back_in_time(world, field):
    samples = [row['token'] for row in keyframes(world)]
    boxes = [row for row in rows(world, 'sample_annotation') if row['sample_token'] in samples]
    linked = next(box for box in boxes if box['sample_token'] == samples[0] and box['next'])
    seen = {box['instance_token'] for box in boxes if box['sample_token'] == samples[2]}
    if field == 'instance_token':
        there = {box['instance_token'] for box in boxes if box['sample_token'] == samples[0]}
        change(world, 'sample_annotation', linked['token'], instance_token=next(iter(seen - there)))
    else:
        first = [box for box in boxes if box['sample_token'] == samples[0] and box['next']]
        linked = next(box for box in first if box['instance_token'] not in seen)
        change(world, 'sample_annotation', linked['token'], sample_token=samples[2])
    refused(world, 'sample_annotation.json: keyframe .*prev or next of a box leads to one of another object, or')


def test_a_sensor_of_another_modality_than_its_name_is_told(world):
    edit(world, 'sensor', lambda records: [r | {'modality': 'x'} if r['channel'] == 'CAM_BACK' else r for r in records])
    assert 'sensor.json: CAM_BACK is left out, for its modality is x' in NuScenesSource(world).left_out


def test_what_is_no_text(world):
    token = rows(world, 'scene')[0]['token']
    change(world, 'scene', token, name='half \ud800')
    with pytest.raises(UserError, match=r'scene\.json: record 1 .*name is "half \\ud800"'):
        load(world)
    path = world / VERSION / 'scene.json'
    path.write_text(path.read_text().replace('"half \\ud800"', '9' * 5000))
    with pytest.raises(UserError, match=r'scene\.json: record 1'):
        load(world)
