"""The smallest OccupancyLift, for two CPU cores: images of 320x176 pixels, a ResNet-10 from scratch, 50x50x8 voxels."""

_base_ = ['./_base_/runtime.py', './_base_/nuscenes.py', './_base_/schedule.py']

grid = dict(frame='lidar', extent=(-51.2, -51.2, -5.0, 51.2, 51.2, 3.0), voxel_size=(2.048, 2.048, 1.0))
image_size = (176, 320)
bins = dict(nearest=1.0, farthest=64.0, count=32)
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
train_dataloader = dict(num_workers=2, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(num_workers=2, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

model = dict(
    type='OccupancyLift',
    data_preprocessor=dict(type='OccupancyDataPreprocessor', std=(58.0, 57.0, 57.0), pad_divisor=16),
    grid=grid,
    img_backbone=dict(type='OccupancyTimmBackbone', name='resnet10t', out_indices=(2, 3, 4)),
    img_neck=dict(type='OccupancyTopDownNeck', in_channels=[128, 256, 512], out_channels=64),
    depth_net=dict(type='OccupancyDepthNet', in_channels=64, channels=64, context_channels=32, bins=bins, blocks=2),
    view=dict(type='OccupancyPull', layers=1),
    volume=dict(type='OccupancyVolumeNet', channels=(32, 64), blocks=(1, 2), halve_z=()),
    head=dict(
        type='OccupancyVoxelHead',
        hidden_channels=32,
        losses=dict(ce=dict(type='OccupancyCrossEntropy', balance=0.3), lovasz=dict(type='OccupancyLovaszSoftmax')),
    ),
    image_loss=dict(type='OccupancyImageLoss'),
)

optim_wrapper = dict(optimizer=dict(lr=2e-3), paramwise_cfg=dict(_delete_=True))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=20),
    dict(type='CosineAnnealingLR', eta_min_ratio=0.005, by_epoch=True, convert_to_iter_based=True),
]
