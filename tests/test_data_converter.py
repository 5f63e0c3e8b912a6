"""data_converter.py as a user runs it."""

import json
import os
import shutil
from pathlib import Path

import pytest

from project.commands.occ_convert import main, parse_arguments
from project.formats import FORMATS, infos, voxels
from project.formats.stated import stated
from project.label_set import LabelSet
from project.labels.run.report import KEYFRAME_MB
from project.taxonomy import LEARNING_MAP, RAW_NAMES

REAL = Path(os.environ.get('OCCUPANCY_REAL', Path(__file__).parents[2] / 'shared/real')) / 'nuscenes_one_keyframe'


@pytest.fixture
def world(tiny_world: Path, tmp_path: Path) -> Path:
    """A copy of the tiny world that may be damaged: sensor data as links, tables as files."""
    shutil.copytree(tiny_world, tmp_path / 'world', copy_function=os.link)
    for table in (tmp_path / 'world/v1.0-mini').glob('*.json'):
        content = table.read_bytes()
        table.unlink()
        table.write_bytes(content)
    return tmp_path / 'world'


def run(root, labels, *more) -> int:
    return main(['--dataroot', str(root), '--save_path', str(labels), '--workers', '1', '--num_sweeps', '1', *more])


def damage(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


def file_of(world: Path, scene: str, keyframe: bool = False) -> Path:
    """Some lidar file of a scene."""
    tables = {
        name: json.loads((world / f'v1.0-mini/{name}.json').read_text()) for name in ('scene', 'sample', 'sample_data')
    }
    token = next(row['token'] for row in tables['scene'] if row['name'] == scene)
    samples = {row['token'] for row in tables['sample'] if row['scene_token'] == token}
    return world / next(
        row['filename'] for row in tables['sample_data']
        if row['sample_token'] in samples and 'LIDAR_TOP' in row['filename'] and row['is_key_frame'] == keyframe
    )  # fmt: skip


def test_a_world_becomes_labels_and_an_index(tiny_world, tmp_path, capsys):
    assert run(f'{tiny_world}/', tmp_path / 'labels') == 0
    said = capsys.readouterr().out
    assert '2 labelled, 0 failed' in said and '6 labelled now, 0 were there already' in said
    for split, scene in (('train', 'scene-0061'), ('val', 'scene-0103')):
        entries = infos.read(tmp_path / f'labels/nuscenes_infos_{split}.pkl')['data_list']
        assert [entry['scene_name'] for entry in entries] == [scene] * 3
        for entry in entries:
            assert len(voxels.read(tmp_path / 'labels' / entry['occupancy_path']['voxels']).classes) > 1000
    made = voxels.read_manifest(tmp_path / 'labels')['settings']
    assert (made['dataset'], made['num_sweeps']) == ('v1.0-mini', 1)
    assert run(tiny_world, f'{tmp_path}/labels/') == 0
    assert '0 labelled now, 6 were there already' in capsys.readouterr().out


def test_scenes_one_after_the_other_give_the_index_of_all(tiny_world, tmp_path):
    assert run(tiny_world, tmp_path / 'all') == 0
    assert run(tiny_world, tmp_path / 'one', '--scenes', 'scene-0103') == 0
    assert len(infos.read(tmp_path / 'one/nuscenes_infos_train.pkl')['data_list']) == 0
    assert run(tiny_world, tmp_path / 'one', '--scenes', 'scene-0061') == 0
    for split in ('train', 'val'):
        name = f'nuscenes_infos_{split}.pkl'
        assert (tmp_path / 'one' / name).read_bytes() == (tmp_path / 'all' / name).read_bytes()


def test_labels_made_in_another_way_are_not_mixed_in(tiny_world, tmp_path, capsys):
    assert run(tiny_world, tmp_path, '--scenes', 'scene-0061') == 0
    assert run(tiny_world, tmp_path, '--num_sweeps', '2') == 2
    assert 'made with another num_sweeps' in capsys.readouterr().err
    stated = (tmp_path / 'settings.json').read_bytes()
    assert run(tiny_world, tmp_path, '--num_sweeps', '2', '--overwrite', '--scenes', 'scene-0016') == 2
    assert run(tiny_world, tmp_path, '--num_sweeps', '2', '--overwrite', '--scenes', 'scene-0103') == 2
    assert (tmp_path / 'settings.json').read_bytes() == stated
    assert len(list((tmp_path / 'voxels/scene-0061').iterdir())) == 3
    assert run(tiny_world, tmp_path, '--num_sweeps', '2', '--overwrite') == 0


def test_a_label_mapping_of_ones_own(tiny_world, tmp_path, capsys):
    mapping = tmp_path / 'mapping.yaml'
    learned = [4 if label in (3, 10) else label for label in LEARNING_MAP]
    rows = '\n'.join(f'  {raw}: {label}' for raw, label in enumerate(learned))
    names = '\n'.join(f'  {raw}: {name}' for raw, name in enumerate(RAW_NAMES))
    mapping.write_text(f'labels:\n{names}\nlearning_map:\n{rows}\n')
    assert run(tiny_world, tmp_path / 'labels', '--label_mapping', str(mapping)) == 0
    found = set()
    for path in (tmp_path / 'labels/voxels').rglob('*.npz'):
        found |= set(voxels.read(path).classes.tolist())
    assert 4 in found and not found & {3, 10}
    labels = LabelSet.stated_in(infos.read(tmp_path / 'labels/nuscenes_infos_train.pkl')['metainfo'])
    assert labels.names[4] == 'car' and labels.names[3] == labels.names[10] == ''
    assert LabelSet.stated_in(voxels.read_manifest(tmp_path / 'labels')) == labels
    assert LabelSet.stated_in(stated(tmp_path / 'labels', 'voxels')) == labels
    rows = '\n'.join(f'  {raw}: {3 if raw > 23 else label}' for raw, label in enumerate(LEARNING_MAP))
    mapping.write_text(f'learning_map:\n{rows}\nlabels_16: {{3: world}}\n')
    assert run(tiny_world, tmp_path / 'occ3d', '--label_mapping', str(mapping), '--format', 'occ3d') == 2
    assert 'the format occ3d has the 16 classes of nuScenes' in capsys.readouterr().err
    mapping.write_text('labels: {}')
    assert run(tiny_world, tmp_path / 'labels', '--label_mapping', str(mapping)) == 2
    assert 'mapping.yaml: needs the key' in capsys.readouterr().err


@pytest.mark.parametrize(
    'fault', ['sweep missing', 'sweep truncated', 'lidarseg missing', 'lidarseg short', 'calibration']
)
def test_a_scene_with_bad_files_is_named_and_the_other_is_finished(world, tmp_path, capsys, fault):
    sweep = file_of(world, 'scene-0061')
    table = world / 'v1.0-mini/lidarseg.json'
    keyframe = file_of(world, 'scene-0061', keyframe=True)
    rows = json.loads((world / 'v1.0-mini/sample_data.json').read_text())
    record = next(row for row in rows if row['filename'] == str(keyframe.relative_to(world)))
    lidarseg = world / next(
        row['filename'] for row in json.loads(table.read_text()) if row['sample_data_token'] == record['token']
    )
    expected = {
        'sweep missing': f'{sweep}: missing',
        'sweep truncated': f'{sweep}: its ',
        'lidarseg missing': f'{lidarseg}: missing',
        'lidarseg short': f'{lidarseg}: has 100 labels',
        'calibration': f'of {record["token"]} leads to no record of calibrated_sensor.json',
    }[fault]
    if fault == 'sweep missing':
        sweep.unlink()
    elif fault == 'sweep truncated':
        damage(sweep, sweep.read_bytes()[:-7])
    elif fault == 'lidarseg missing':
        lidarseg.unlink()
    elif fault == 'lidarseg short':
        damage(lidarseg, lidarseg.read_bytes()[:100])
    else:
        record['calibrated_sensor_token'] = '0' * 32
        (world / 'v1.0-mini/sample_data.json').write_text(json.dumps(rows))
    assert run(world, tmp_path / 'labels') == 1
    said = capsys.readouterr().out
    assert 'scene-0061 failed:' in said and expected in said and '1 labelled, 1 failed' in said
    assert len(list((tmp_path / 'labels/voxels/scene-0103').iterdir())) == 3
    assert not list((tmp_path / 'labels').rglob('.*.*')) and not (tmp_path / 'labels/voxels/scene-0061').exists()
    assert len(infos.read(tmp_path / 'labels/nuscenes_infos_train.pkl')['data_list']) == 0


def test_what_cannot_be_done_at_all_is_said_in_a_sentence(world, tmp_path, capsys):
    def said(*arguments) -> str:
        assert run(*arguments) == 2
        return capsys.readouterr().err

    assert 'v1.0-test: no such folder' in said(world, tmp_path / 'labels', '--version', 'v1.0-test')
    assert 'has no scene scene-9999' in said(world, tmp_path / 'labels', '--scenes', 'scene-9999')
    (tmp_path / 'file').write_text('')
    assert str(tmp_path / 'file') in said(world, tmp_path / 'file/labels')
    (world / 'v1.0-mini/category.json').unlink()
    assert 'category.json: this table is missing' in said(world, tmp_path / 'labels')
    assert not (tmp_path / 'labels').exists()
    (tmp_path / 'empty').mkdir()
    assert 'holds no folder of tables' in said(tmp_path / 'empty', tmp_path / 'more')


def test_points_without_categories_are_labelled_by_boxes_and_the_ground(world, tmp_path, capsys):
    (world / 'v1.0-mini/lidarseg.json').unlink()
    assert run(world, tmp_path / 'labels', '--scenes', 'scene-0061') == 2
    assert 'lidarseg.json: this table is missing, but the folder lidarseg exists' in capsys.readouterr().err
    shutil.rmtree(world / 'lidarseg')
    assert run(world, tmp_path / 'labels', '--scenes', 'scene-0061') == 0
    assert 'the points of scene-0061 have no categories' in capsys.readouterr().err
    stated = json.loads((tmp_path / 'labels/settings.json').read_text())['voxels']
    assert stated['label_names'][-2:] == ['', 'free'] and {'car', 'ground', 'static'} <= set(stated['label_names'])


@pytest.mark.parametrize('place', ['nuScenes-lidarseg-all-v1.0', '../nuScenes-lidarseg-mini-v1.0', 'unpacked'])
@pytest.mark.parametrize('kind', ['lidarseg', 'panoptic'])
@pytest.mark.parametrize('parts', ['both', 'table', 'files'])
def test_labels_of_points_in_another_folder_are_not_passed_over(world, tmp_path, capsys, place, kind, parts):
    archive = world / place
    (archive / 'v1.0-mini').mkdir(parents=True)
    if parts != 'files':
        (world / 'v1.0-mini/lidarseg.json').rename(archive / f'v1.0-mini/{kind}.json')
    else:
        (world / 'v1.0-mini/lidarseg.json').unlink()
    if parts != 'table':
        (world / 'lidarseg').rename(archive / kind)
    else:
        shutil.rmtree(world / 'lidarseg')
    try:
        assert run(world, tmp_path / 'labels', '--dry-run') == 2
    finally:
        shutil.rmtree(archive)
    said = capsys.readouterr().err
    assert f'{kind}.json: this table is missing' in said and archive.name in said


def test_a_whole_data_set_in_the_dataroot_is_another_one(world, tmp_path, capsys):
    shutil.copytree(world, tmp_path / 'copy')
    (tmp_path / 'copy').rename(world / 'backup')
    (world / 'v1.0-mini/lidarseg.json').unlink()
    shutil.rmtree(world / 'lidarseg')
    assert run(world, tmp_path / 'labels', '--dry-run') == 0
    assert 'have no categories' in capsys.readouterr().err


def test_custom_splits_and_scenes_of_no_split(world, tmp_path):
    (world / 'v1.0-mini/splits.json').write_text(json.dumps({'val': ['scene-0061']}))
    assert run(world, tmp_path / 'labels') == 0
    for split, scene in (('train', 'scene-0103'), ('val', 'scene-0061')):
        entries = infos.read(tmp_path / f'labels/nuscenes_infos_{split}.pkl')['data_list']
        assert {entry['scene_name'] for entry in entries} == {scene}


@pytest.mark.skipif(not REAL.is_dir(), reason='the real keyframe of nuScenes is not here')
@pytest.mark.parametrize('num_sweeps', [0, 10])
def test_the_real_keyframe_converts(tmp_path, num_sweeps):
    assert run(REAL, tmp_path, '--num_sweeps', str(num_sweeps), '--format', 'voxels', '--format', 'points') == 0
    (path,) = (tmp_path / 'voxels').rglob('*.npz')
    # Its lidarseg, made of boxes, knows barriers, pedestrians, cones, cars and trucks and no static world.
    assert {1, 4, 7, 8, 10} <= set(voxels.read(path).classes.tolist())


def test_nothing_is_indexed_where_no_scene_could_be_labelled(world, tmp_path, capsys):
    for scene in ('scene-0061', 'scene-0103'):
        file_of(world, scene, keyframe=True).unlink()
    assert run(world, tmp_path / 'labels') == 2
    assert '0 labelled, 2 failed' in capsys.readouterr().out
    assert not list((tmp_path / 'labels').glob('*.pkl'))


def test_options_are_spelt_with_hyphens_or_underscores(capsys):
    options = parse_arguments(['--save-path', 'a', '--num-sweeps', '3', '--label-mapping', 'b'])
    assert (options.save_path, options.num_sweeps, options.label_mapping) == ('a', 3, Path('b'))
    for arguments, said in (
        (['--num_sweeps', 'abc'], '"abc" is not a whole number'),
        (['--workers', '0'], '0 is less'),
    ):
        with pytest.raises(SystemExit):
            parse_arguments(arguments)
        assert said in capsys.readouterr().err


def test_masks_without_cameras_are_warned_of(world, tmp_path, capsys):
    table = world / 'v1.0-mini/sample_data.json'
    rows = json.loads(table.read_text())
    table.write_text(json.dumps([row for row in rows if 'LIDAR_TOP' in row['filename']]))
    assert run(world, tmp_path / 'a', '--format', 'occ3d') == 0
    assert 'no image of a camera for keyframes of scene-0061, scene-0103' in capsys.readouterr().err
    assert run(world, tmp_path / 'b') == 0
    assert not capsys.readouterr().err


def test_a_dry_run_tells_what_is_to_be_done_and_writes_nothing(world, tmp_path, capsys):
    assert run(world, tmp_path / 'labels', '--dry-run') == 0
    said = capsys.readouterr().out
    assert '6 to label, 0 are there already' in said and '48, 0 of them missing' in said
    assert set(KEYFRAME_MB) == set(FORMATS)
    assert not (tmp_path / 'labels').exists()
    assert run(world, tmp_path / 'labels', '--scenes', 'scene-0061') == 0
    sweep = file_of(world, 'scene-0103')
    sweep.unlink()
    assert run(world, tmp_path / 'labels', '--dry-run') == 1
    said = capsys.readouterr()
    assert '3 to label, 3 are there already' in said.out and f'{sweep}: missing' in said.err


def test_labels_of_two_keyframes_never_share_a_file(world, tmp_path, capsys):
    (world / 'other').mkdir()
    sensor_data = world / 'v1.0-mini/sample_data.json'
    records = json.loads(sensor_data.read_text())
    first, second = (file_of(world, scene, keyframe=True) for scene in ('scene-0061', 'scene-0103'))
    same = world / 'other' / first.name
    second.rename(same)
    for record in records:
        if record['filename'] == str(second.relative_to(world)):
            record['filename'] = str(same.relative_to(world))
    sensor_data.write_text(json.dumps(records))
    labels = tmp_path / 'labels'
    assert run(world, labels, '--format', 'surroundocc') == 2
    said = capsys.readouterr().err
    assert f'{first.name}.npy: would have the labels of keyframe' in said and '--unique_names' in said
    assert not list(labels.rglob('*.npy'))
    # The same of scenes that were labelled before.
    assert run(world, labels, '--format', 'surroundocc', '--scenes', 'scene-0061', '--dry-run') == 0
    assert run(world, labels, '--format', 'surroundocc', '--unique_names') == 0
    entries = [
        entry for split in ('train', 'val') for entry in infos.read(labels / f'nuscenes_infos_{split}.pkl')['data_list']
    ]
    paths = [FORMATS['surroundocc'].path(infos.keyframe(entry)) for entry in entries]
    assert len(set(paths)) == 6 and all((labels / path).is_file() for path in paths)
    assert [path.as_posix() for path in paths] == [entry['occupancy_path']['surroundocc'] for entry in entries]
