"""tools/visualize.py and tools/browse_dataset.py from the command line."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet3d.registry import MODELS
from PIL import Image

from project.commands import occ_visualize
from project.engine.config_files import read_config
from project.formats import infos
from project.taxonomy import PALETTE
from tools import browse_dataset

ROOT = Path(__file__).resolve().parents[2]


def config_options(tiny_world: Path, tiny_labels: Path) -> list[str]:
    """Options that point a shipped config to the synthetic world."""
    return [
        f'{split}_dataloader.dataset.{key}={value}'
        for split, part in (('train', 'train'), ('test', 'val'))
        for key, value in (
            ('data_root', tiny_world),
            ('data_prefix.occupancy', tiny_labels),
            ('ann_file', tiny_labels / f'nuscenes_infos_{part}.pkl'),
        )
    ]


def share(picture: np.ndarray, label: int) -> float:
    """Share of a picture that has exactly the colour of a label."""
    return (picture == PALETTE[label]).all(axis=-1).mean()


def test_labels_become_pictures_videos_and_a_page(tiny_world: Path, tiny_labels: Path, tmp_path: Path, capsys):
    files = [tmp_path / name for name in ('a.png', 'a.gif', 'a.html')]
    targets = [argument for file in files for argument in (f'--{file.suffix[1:]}', str(file))]
    chosen = ['--format', 'occ3d', '--scene', 'scene-0103', '--frames', '0:2']
    with_frames = [str(tiny_labels), '--dataroot', str(tiny_world), *chosen, '--width', '640']
    assert occ_visualize.main([*with_frames, '--png', str(tmp_path / 'folder'), *targets[2:]]) == 0
    pictures = sorted(path.name for path in (tmp_path / 'folder').iterdir())
    assert pictures == ['scene-0103_000.png', 'scene-0103_001.png']
    sheet = np.asarray(Image.open(tmp_path / 'folder' / 'scene-0103_000.png'))
    assert share(sheet, 11) > 0.01
    assert Image.open(files[1]).n_frames == 2
    assert files[2].stat().st_size > 500_000
    assert capsys.readouterr().out.count('wrote') == 3


def test_labels_become_files_of_other_programs(tiny_labels, tiny_world, tmp_path):
    for package in ('foxglove', 'rerun', 'trimesh'):
        pytest.importorskip(package)
    decoder = pytest.importorskip('mcap_protobuf.decoder').DecoderFactory()
    files = {kind: tmp_path / f'a.{kind}' for kind in ('mcap', 'rrd', 'glb', 'ply')}
    options = [word for kind, file in files.items() for word in (f'--{kind}', str(file))]
    command = [str(tiny_labels), '--format', 'occ3d', '--dataroot', str(tiny_world), '--scene', 'scene-0103']
    # A mesh is of one frame, and so are all that one command writes.
    assert occ_visualize.main([*command, '--frames', '1', *options]) == 0
    assert {file.name for file in tmp_path.iterdir()} == {file.name for file in files.values()}
    assert occ_visualize.main([*command, '--mcap', str(files['mcap'])]) == 0
    from mcap.reader import make_reader

    entries = infos.read(tiny_labels / 'nuscenes_infos_val.pkl')['data_list']
    with open(files['mcap'], 'rb') as file:
        found = list(make_reader(file, decoder_factories=[decoder]).iter_decoded_messages(topics=['/tf']))
    assert [message.log_time for _, _, message, _ in found] == [
        1000 * round(1e6 * each['timestamp']) for each in entries
    ]
    for entry, (_, _, _, content) in zip(entries, found, strict=True):
        (place,) = [each.translation for each in content.transforms if each.parent_frame_id == 'map']
        assert np.allclose((place.x, place.y, place.z), np.array(entry['ego2global'])[:3, 3])


def test_labels_become_a_recording_for_ros_2(tiny_labels, tiny_world, tmp_path):
    pytest.importorskip('mcap_ros2')
    from mcap.reader import make_reader

    command = [str(tiny_labels), '--format', 'occ3d', '--dataroot', str(tiny_world), '--scene', 'scene-0103']
    assert occ_visualize.main([*command, '--mcap', str(tmp_path / 'a.mcap'), '--schemas', 'ros2']) == 0
    with open(tmp_path / 'a.mcap', 'rb') as file:
        summary = make_reader(file).get_summary()
    assert {schema.encoding for schema in summary.schemas.values()} == {'ros2msg'}
    topics = {channel.topic for channel in summary.channels.values()}
    assert {'/labels', '/points', '/boxes', '/tf', '/CAM_BACK/image/compressed', '/CAM_BACK/camera_info'} < topics
    keyframes = len(infos.read(tiny_labels / 'nuscenes_infos_val.pkl')['data_list'])
    assert summary.statistics.message_count == keyframes * len(topics)


def test_a_model_predicts_on_the_spot(tiny_world: Path, tiny_labels: Path, tmp_path: Path):
    config = ROOT / 'config' / 'occupancy_tiny.py'
    torch.save({'state_dict': MODELS.build(read_config(config).model).state_dict()}, tmp_path / 'a.pth')
    options = ['--cfg-options', *config_options(tiny_world, tiny_labels)]
    command = [str(config), str(tmp_path / 'a.pth'), '--frames', '1', '--png', str(tmp_path / 'a.png')]
    command += ['--dataroot', str(tiny_world)]
    assert occ_visualize.main([*command, *options]) == 0
    alone = [str(tiny_labels), '--png', str(tmp_path / 'b.png')]
    assert occ_visualize.main(alone) == 0
    # Truth, prediction, difference and images take more room than labels alone.
    assert Image.open(tmp_path / 'a.png').height > Image.open(tmp_path / 'b.png').height


def test_what_the_pipeline_feeds_the_network(tiny_world: Path, tiny_labels: Path, tmp_path: Path):
    config = str(ROOT / 'config' / 'occupancy_tiny.py')
    options = ['--cfg-options', *config_options(tiny_world, tiny_labels)]
    assert browse_dataset.main([config, '--samples', '2', '0', '--out', str(tmp_path), *options]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ['train_00000.png', 'train_00002.png']
    assert share(np.asarray(Image.open(tmp_path / 'train_00002.png')), 11) > 0.01
    assert browse_dataset.main([config, '--samples', '3', '--out', str(tmp_path), *options]) == 2


def test_a_missing_data_set_is_named(tmp_path: Path, capsys):
    config = str(ROOT / 'config' / 'occupancy_tiny.py')
    options = ['--cfg-options', f'train_dataloader.dataset.data_root={tmp_path}']
    assert browse_dataset.main([config, '--out', str(tmp_path / 'out'), *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith('error: ') and f'{tmp_path}/occupancy/nuscenes_infos_train.pkl' in error
    assert 'python data_converter.py' in error and not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['nowhere'], 'nowhere: no such folder or config'),
        ([str(ROOT / 'config' / 'occupancy.py')], 'a config needs a checkpoint after it'),
        ([str(ROOT / 'docs')], 'neither labels'),
        (['LABELS', '--format', 'occ4d'], '--format occ4d: the formats are voxels'),
        (['LABELS', '--scene', 'scene-9999', '--png', 'a.png'], 'no scene scene-9999'),
        (['LABELS', '--frames', 'all', '--png', 'a.png'], '3 frames need a folder'),
        (['LABELS', '--mask', 'camera', '--format', 'voxels', '--png', 'a.png'], 'no camera mask'),
        (['LABELS', '--serve', 'here'], '--serve here: give HOST:PORT'),
        (['LABELS', 'a.pth'], 'CHECKPOINT has no use after'),
        (['LABELS', '--cfg-options', 'a=1'], '--cfg-options has no use after'),
        ([str(ROOT / 'config' / 'occupancy.py'), 'a.pth', '--truth', 'LABELS'], '--truth has no use after'),
        (['LABELS', '--truth', '/nope'], '--truth /nope: no such folder'),
        (['LABELS', '--dataroot', '/nope'], '--dataroot /nope: no such folder'),
        (['LABELS', '--version', 'v1.0-mini'], 'has no use without --dataroot'),
        (['LABELS', '--mask', 'camera', '--html', 'a.html'], '--mask is for --png, --gif, --mp4'),
        (['LABELS', '--gif', 'a.gif', '--fps', '0'], '--fps 0: give more than 0'),
        (['LABELS', '--mcap', 'a.bag'], '--mcap a.bag: the name must end in .mcap'),
        (['LABELS', '--schemas', 'ros2', '--png', 'a.png'], '--schemas has no use without --mcap'),
        (['LABELS', '--glb', 'a.glb', '--frames', 'all'], 'a mesh is of one frame'),
        (['LABELS', '--gif', 'a.mp4'], '--gif a.mp4: the name must end in .gif'),
        (['LABELS', '--png', 'a.jpg'], '--png a.jpg: the name must end in .png'),
        (['LABELS', '--png', 'a.png', '--width', '0'], '--width 0: give 400 to 8192 pixels'),
        (['LABELS', '--png', 'a.png', '--width', '-5'], '--width -5: give 400 to 8192 pixels'),
        (['LABELS', '--png', 'a.png', '--frames', '0:4:0'], '--frames 0:4:0: the step must be at least 1'),
        (['LABELS', '--html', f'{__file__}/a.html'], 'is a file, not a folder'),
    ],
)
def test_one_sentence_says_what_is_wrong(tiny_labels: Path, tmp_path: Path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert occ_visualize.main([str(tiny_labels) if argument == 'LABELS' else argument for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith('error: ')
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('tool', ['visualize', 'browse_dataset', 'evaluate', 'train'])
def test_help_needs_no_heavy_package(tool: str):
    # mmdet3d and mmengine need torch.
    blocked = 'import sys; sys.modules.update(torch=None, nuscenes=None)'
    script = f'tools/{tool}.py'
    code = (
        f'{blocked}; sys.argv = [{script!r}, "--help"]; import runpy; runpy.run_path({script!r}, run_name="__main__")'
    )
    environment = {**os.environ, 'COLUMNS': '120'}
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f'python {script}' in done.stdout
