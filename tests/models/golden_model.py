"""The baseline's golden numbers: its small model rebuilt with our parts from the golden folder's own configuration."""

import json
import os
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.structures import BaseDataElement

from project.grid import VoxelGrid
from project.models import OccupancyBEVFormer
from project.models.checkpoint_names import convert

FOLDER = Path(os.environ.get('OCCUPANCY_GOLDEN', Path(__file__).parents[3] / 'shared' / 'golden'))

needs_golden = pytest.mark.skipif(
    not (FOLDER / 'config.json').exists(),
    reason=f'no numbers of the baseline in {FOLDER} (set OCCUPANCY_GOLDEN)',
)


@lru_cache
def arrays(name: str) -> dict[str, torch.Tensor]:
    """Tensors of one of the golden files, read once."""
    with np.load(FOLDER / f'{name}.npz') as file:
        return {key: torch.from_numpy(file[key]) for key in file.files}


@lru_cache
def numbers(name: str) -> dict:
    """Content of one of the golden JSON files."""
    return json.loads((FOLDER / f'{name}.json').read_text())


def baseline_model() -> OccupancyBEVFormer:
    """Our model in baseline-compatible mode with the golden weights, in evaluation mode."""
    config = numbers('config')
    model = OccupancyBEVFormer(**parts(config['model']), grid=grid(config), baseline_compatible=True)
    model.load_state_dict(convert(arrays('state_dict')), strict=True)
    return model.eval()


def grid(config: dict) -> VoxelGrid:
    """Voxels of the golden model: as many as its queries and heights."""
    low, high = np.reshape(config['pc_range'], (2, 3))
    size = (high - low) / config['grid_size']
    return VoxelGrid.from_range('lidar', (*low, *high), tuple(size))


def parts(baseline: dict) -> dict:
    """The baseline's configuration in our terms."""
    transformer = baseline['pts_bbox_head']['transformer']
    layers = transformer['encoder']['transformerlayers']
    cross_attention = layers['attn_cfgs'][1]
    sampling, dims = cross_attention['deformable_attention'], transformer['embed_dims']
    anchors = transformer['encoder']['num_points_in_pillar']
    layer = dict(
        type='OccupancyEncoderLayer',
        embed_dims=dims,
        feedforward_dims=layers['feedforward_channels'],
        self_attention=dict(type='OccupancyTemporalAttention', embed_dims=dims),
        cross_attention=dict(
            type='OccupancySpatialAttention',
            embed_dims=dims,
            num_levels=sampling['num_levels'],
            num_anchors=anchors,
            points_per_anchor=sampling['num_points'] // anchors,
        ),
    )
    fusion = baseline['fusion_head']
    losses = dict(ce=dict(type='OccupancyCrossEntropy'), lovasz=dict(type='OccupancyLovaszSoftmax'))
    dcn = dict(baseline['img_backbone']['dcn'], type='OccupancyDCNv2')
    cameras = len(arrays('state_dict')['pts_bbox_head.transformer.cams_embeds'])
    return dict(
        img_backbone=dict(
            baseline['img_backbone'],
            type='mmdet.ResNet',
            dcn=dcn,
            stem_channels=baseline['img_backbone'].get('stem_channels', 64),
        ),
        img_neck=dict(baseline['img_neck'], type='mmdet.FPN'),
        encoder=dict(
            type='OccupancyEncoder',
            layers=[layer] * transformer['encoder']['num_layers'],
            embed_dims=dims,
            num_cameras=cameras,
            num_levels=sampling['num_levels'],
        ),
        head=dict(
            type='OccupancyHead',
            embed_dims=fusion['in_dims'],
            hidden_dims=fusion['hidden_dims'],
            num_classes=fusion['nbr_classes'],
            losses=losses,
        ),
    )


def batch() -> tuple[dict[str, torch.Tensor], list[BaseDataElement]]:
    """The golden images and cameras, as the detector takes them."""
    inputs = arrays('inputs')
    sample = BaseDataElement(metainfo=dict(lidar2img=inputs['f64.lidar2img'].numpy()))
    return {'imgs': inputs['img']}, [sample]
