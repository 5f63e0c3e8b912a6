"""The larger OccupancyLift: images of 1408x512 pixels, three frames, 256x256x20 voxels of 0.4 m.

model.grid.voxel_size and those of the pipelines at 0.2 give 512x512x40 voxels.
"""

_base_ = './occupancy_lift.py'

grid = dict(frame='lidar', extent=(-51.2, -51.2, -5.0, 51.2, 51.2, 3.0), voxel_size=0.4)
image_size = (512, 1408)
bins = dict(nearest=1.0, farthest=64.0, count=80)
stride = 16
queue_length = 3

train_pipeline = [
    dict(type='LoadSurroundImages'),
    dict(type='FitSurroundImages', size=image_size, scale=(0.95, 1.2), mirror=0.5, turn_deg=3.0),
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
train_dataloader = dict(dataset=dict(queue_length=queue_length, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(queue_length=queue_length, pipeline=test_pipeline))
test_dataloader = val_dataloader

model = dict(
    grid=grid,
    img_backbone=dict(out_indices=(2, 3)),
    img_neck=dict(in_channels=[1024, 2048], out_channels=192),
    depth_net=dict(in_channels=192, channels=192, context_channels=48, bins=bins),
    view=dict(layers=1),
    history=dict(type='OccupancyHistory', channels=24, frames=queue_length - 1),
    volume=dict(channels=(48, 96, 128, 160), blocks=(1, 2, 2, 2), halve_z=(1, 2, 3), above=(256, 384)),
)
