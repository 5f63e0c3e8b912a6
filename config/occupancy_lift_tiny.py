"""The smallest OccupancyLift, for two CPU cores: images of 208x112 pixels, a ResNet-18 a third as wide, from scratch.

Its 50x50x8 voxels of 0.64 x 0.64 x 1 m reach 16 m to every side: as far as so few pixels show people.
"""

_base_ = ['./_base_/runtime.py', './_base_/nuscenes.py', './_base_/schedule.py']

grid = dict(frame='lidar', extent=(-16.0, -16.0, -5.0, 16.0, 16.0, 3.0), voxel_size=(0.64, 0.64, 1.0))
image_size = (112, 208)
bins = dict(nearest=1.0, farthest=40.0, count=32)
stride = 8

train_pipeline = [
    dict(type='LoadSurroundImages'),
    dict(type='FitSurroundImages', size=image_size, scale=(0.95, 1.15), mirror=0.5),
    dict(type='LoadOccupancyLabels', grid=grid),
    dict(type='RenderOccupancy', stride=stride),
    dict(type='MoveOccupancyGrid', turn_deg=0.0, scale=(1.0, 1.0), tilt_deg=0.0),
    dict(type='PackOccupancyInputs'),
]
test_pipeline = [
    dict(type='LoadSurroundImages'),
    dict(type='FitSurroundImages', size=image_size),
    dict(type='LoadOccupancyLabels', grid=grid),
    dict(type='PackOccupancyInputs'),
]
# One process loads a keyframe in a tenth of the time of a step.
train_dataloader = dict(num_workers=1, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(num_workers=1, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

model = dict(
    type='OccupancyLift',
    data_preprocessor=dict(type='OccupancyDataPreprocessor', std=(58.0, 57.0, 57.0), pad_divisor=16),
    grid=grid,
    img_backbone=dict(
        type='OccupancyTimmBackbone',
        name='resnet18d',
        out_indices=(2, 3, 4),
        stem_width=16,
        channels=(32, 64, 96, 128),
    ),
    img_neck=dict(type='OccupancyTopDownNeck', in_channels=[64, 96, 128], out_channels=64),
    depth_net=dict(type='OccupancyDepthNet', in_channels=64, channels=64, context_channels=32, bins=bins, blocks=2),
    view=dict(type='OccupancyPull', layers=1),
    volume=dict(type='OccupancyVolumeNet', channels=(32, 64), blocks=(1, 2), halve_z=()),
    head=dict(
        type='OccupancyVoxelHead',
        hidden_channels=32,
        # In few steps, classes of few voxels are only learned if they count for much: with 0.3, 320 steps found no car.
        losses=dict(
            ce=dict(type='OccupancyCrossEntropy', balance=0.5),
            lovasz=dict(type='OccupancyLovaszSoftmax'),
            geometry=dict(type='OccupancyGeometryLoss'),
        ),
    ),
    image_loss=dict(type='OccupancyImageLoss', balance=0.5),
)

optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='OccupancyMuon', lr=8e-3, weight_decay=0.1), paramwise_cfg=dict(_delete_=True)
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=20),
    dict(type='LinearLR', start_factor=1.0, end_factor=0.005, by_epoch=True, convert_to_iter_based=True),
]
custom_hooks = [
    dict(type='OccupancyLossCheckHook'),
    dict(type='OccupancyProgressHook'),
    dict(type='OccupancyAverageHook', momentum=0.02),
]
