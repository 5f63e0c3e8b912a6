"""The baseline: ResNet-101 with deformable convolutions, full images, 100x100x8 voxels of +-51.2 m; 61.5 M parameters.

Training starts from a checkpoint of FCOS3D; ckpts/README.md says where it is from, and how to go on without it.
"""

_base_ = ['./_base_/runtime.py', './_base_/nuscenes.py', './_base_/schedule.py']

load_from = 'ckpts/r101_dcn_fcos3d_pretrain.pth'

embed_dims = 256
num_anchors = 8
encoder_layer = dict(
    type='OccupancyEncoderLayer',
    embed_dims=embed_dims,
    feedforward_dims=512,
    dropout=0.1,
    self_attention=dict(type='OccupancyTemporalAttention', embed_dims=embed_dims, num_heads=8, num_points=4),
    cross_attention=dict(
        type='OccupancySpatialAttention',
        embed_dims=embed_dims,
        num_heads=8,
        num_levels=4,
        num_anchors=num_anchors,
        points_per_anchor=4,
    ),
)

model = dict(
    type='OccupancyBEVFormer',
    data_preprocessor=dict(
        type='OccupancyDataPreprocessor',
        mean=(103.53, 116.28, 123.675),
        std=(1.0, 1.0, 1.0),
        pad_divisor=32,
        grid_mask_probability=0.7,
    ),
    grid=_base_.grid,
    img_backbone=dict(
        type='OccupancyResNet',
        depth=101,
        num_stages=4,
        out_indices=(1, 2, 3),
        frozen_stages=1,
        norm_cfg=dict(type='BN2d', requires_grad=False),
        norm_eval=True,
        style='caffe',
        dcn=dict(type='OccupancyDCNv2', deform_groups=1, fallback_on_stride=False),
        stage_with_dcn=(False, False, True, True),
    ),
    img_neck=dict(
        type='OccupancyFPN',
        in_channels=[512, 1024, 2048],
        out_channels=embed_dims,
        num_outs=4,
        add_extra_convs='on_output',
        relu_before_extra_convs=True,
    ),
    encoder=dict(
        type='OccupancyEncoder', layers=[encoder_layer] * 3, embed_dims=embed_dims, num_cameras=6, num_levels=4
    ),
    head=dict(
        type='OccupancyHead',
        embed_dims=embed_dims,
        hidden_dims=512,
        num_classes=18,
        losses=dict(ce=dict(type='OccupancyCrossEntropy'), lovasz=dict(type='OccupancyLovaszSoftmax')),
    ),
)
