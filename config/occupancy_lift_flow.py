"""OccupancyLift that predicts the velocity of each voxel as well, from three keyframes: a single one does not show it.

For labels in the layout `voxels` with flow: `data_converter.py --flow`. `tools/test.py --protocols openocc` scores it.
"""

_base_ = './occupancy_lift.py'

queue_length = 3

train_pipeline = [
    dict(type='LoadSurroundImages'),
    dict(type='FitSurroundImages', size=_base_.image_size, scale=(0.95, 1.2), mirror=0.5, turn_deg=3.0),
    dict(type='LoadOccupancyLabels', grid=_base_.grid, flow=True),
    dict(type='RenderOccupancy', stride=_base_.stride),
    dict(type='MoveOccupancyGrid', turn_deg=0.0, scale=(1.0, 1.0), tilt_deg=0.0),
    dict(type='PackOccupancyInputs'),
]
test_pipeline = [
    dict(type='LoadSurroundImages'),
    dict(type='FitSurroundImages', size=_base_.image_size),
    dict(type='LoadOccupancyLabels', grid=_base_.grid, flow=True),
    dict(type='PackOccupancyInputs'),
]
train_dataloader = dict(dataset=dict(queue_length=queue_length, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(queue_length=queue_length, pipeline=test_pipeline))
test_dataloader = val_dataloader

model = dict(
    history=dict(type='OccupancyHistory', channels=32, frames=queue_length - 1),
    extra_heads=dict(flow=dict(type='OccupancyFlowHead')),
)
