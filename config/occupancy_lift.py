"""OccupancyLift: images of 704x256 pixels, a ResNet-50, one frame, 100x100x8 voxels of +-51.2 m.

Training starts from random weights.
"""

_base_ = ['./_base_/runtime.py', './_base_/nuscenes.py', './_base_/schedule.py']

image_size = (256, 704)
bins = dict(nearest=1.0, farthest=64.0, count=64)
stride = 8

train_pipeline = [
    dict(type='LoadSurroundImages'),
    dict(type='FitSurroundImages', size=image_size, scale=(0.95, 1.2), mirror=0.5, turn_deg=3.0),
    dict(type='LoadOccupancyLabels', grid=_base_.grid),
    dict(type='RenderOccupancy', stride=stride),
    dict(type='MoveOccupancyGrid', turn_deg=0.0, scale=(1.0, 1.0), tilt_deg=0.0),
    dict(type='PackOccupancyInputs'),
]
test_pipeline = [
    dict(type='LoadSurroundImages'),
    dict(type='FitSurroundImages', size=image_size),
    dict(type='LoadOccupancyLabels', grid=_base_.grid),
    dict(type='PackOccupancyInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

model = dict(
    type='OccupancyLift',
    # ImageNet's, in BGR.
    data_preprocessor=dict(type='OccupancyDataPreprocessor', std=(57.375, 57.12, 58.395), pad_divisor=32),
    grid=_base_.grid,
    img_backbone=dict(
        type='OccupancyResNet',
        depth=50,
        num_stages=4,
        out_indices=(1, 2, 3),
        frozen_stages=-1,
        norm_cfg=dict(type='BN2d', requires_grad=True),
        norm_eval=False,
        style='pytorch',
    ),
    img_neck=dict(type='OccupancyTopDownNeck', in_channels=[512, 1024, 2048], out_channels=128),
    depth_net=dict(type='OccupancyDepthNet', in_channels=128, channels=128, context_channels=64, bins=bins),
    view=dict(type='OccupancyPull', layers=4),
    volume=dict(type='OccupancyVolumeNet', channels=(64, 96, 128), blocks=(2, 2, 2), halve_z=(1, 2), above=(256, 384)),
    head=dict(
        type='OccupancyVoxelHead',
        losses=dict(
            ce=dict(type='OccupancyCrossEntropy', balance=0.3),
            lovasz=dict(type='OccupancyLovaszSoftmax'),
            geometry=dict(type='OccupancyGeometryLoss'),
        ),
    ),
    image_loss=dict(type='OccupancyImageLoss'),
)

optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='OccupancyMuon', lr=4e-3, weight_decay=0.1), paramwise_cfg=dict(_delete_=True)
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=50),
    dict(type='LinearLR', start_factor=1.0, end_factor=0.005, by_epoch=True, convert_to_iter_based=True),
]
custom_hooks = [
    dict(type='OccupancyLossCheckHook'),
    dict(type='OccupancyProgressHook'),
    dict(type='OccupancyAverageHook', momentum=0.01),
]
