"""Keyframes of the synthetic world as plain images and calibrations, and a model that says different things of them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_model import CONFIG
from torch import nn

from project.formats import infos


@pytest.fixture(scope='session')
def keyframes(tiny_world, tiny_labels) -> dict[str, tuple[dict, dict, np.ndarray]]:
    """Files of the images, calibration and pose of each validation keyframe, one after the other, by token."""
    found = {}
    for entry in infos.read(tiny_labels / 'nuscenes_infos_val.pkl')['data_list']:
        images = {name: tiny_world / each['img_path'] for name, each in entry['images'].items()}
        calibration = {
            name: {'intrinsics': each['cam2img'], 'lidar_from_camera': np.linalg.inv(each['lidar2cam']).tolist()}
            for name, each in entry['images'].items()
        }
        pose = np.array(entry['ego2global']) @ entry['lidar_points']['lidar2ego']
        found[entry['token']] = images, calibration, pose
    return found


@pytest.fixture(scope='session')
def checkpoint(tmp_path_factory) -> Path:
    """Random weights of the tiny configuration, also where layers start from zero."""
    from mmdet3d.registry import MODELS

    from project.engine.config_files import read_config

    torch.manual_seed(0)
    model = MODELS.build(read_config(CONFIG).model)
    for name, parameter in model.named_parameters():
        if 'sampling_offsets.weight' in name or 'attention_weights.weight' in name:
            nn.init.normal_(parameter, std=0.1)
    path = tmp_path_factory.mktemp('weights') / 'tiny.pth'
    torch.save({'state_dict': model.state_dict()}, path)
    return path


@pytest.fixture(scope='session')
def queue_config(tmp_path_factory):
    """The tiny configuration, which looks at three keyframes in a row."""
    path = tmp_path_factory.mktemp('config') / 'queue.py'
    path.write_text(f"_base_ = '{CONFIG}'\ntest_dataloader = dict(dataset=dict(queue_length=3))\n")
    return path
