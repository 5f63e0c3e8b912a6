"""OccupancyLift that predicts the velocity of each voxel as well, from three keyframes: a single one does not show it.

For labels in the layout `voxels` with flow: `data_converter.py --flow`. `tools/test.py --protocols openocc` scores it.
"""

_base_ = './occupancy_lift.py'

queue_length = 3

labels = dict(type='LoadOccupancyLabels', grid=_base_.grid, flow=True)
train_pipeline = [labels if step['type'] == labels['type'] else step for step in _base_.train_pipeline]
test_pipeline = [labels if step['type'] == labels['type'] else step for step in _base_.test_pipeline]
train_dataloader = dict(dataset=dict(queue_length=queue_length, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(queue_length=queue_length, pipeline=test_pipeline))
test_dataloader = val_dataloader

model = dict(
    history=dict(type='OccupancyHistory', channels=32, frames=queue_length - 1),
    extra_heads=dict(flow=dict(type='OccupancyFlowHead')),
)
