"""OccupancyLift with the six keyframes before. A batch is a clip of eight keyframes that follow each other.

Each frame is computed once, for its own losses and as the past of those after it. The grid is turned at random, the
same for all of a clip.
"""

_base_ = './occupancy_lift.py'

queue_length = 7
clip_length = 8

train_pipeline = [
    dict(type='LoadSurroundImages'),
    dict(type='FitSurroundImages', size=_base_.image_size, scale=(0.95, 1.2), mirror=0.5, turn_deg=3.0),
    dict(type='LoadOccupancyLabels', grid=_base_.grid),
    dict(type='RenderOccupancy', stride=_base_.stride),
    # No tilt and no scale: they would move the ground from one layer of voxels to the next.
    dict(type='MoveOccupancyGrid', turn_deg=180.0, scale=(1.0, 1.0), tilt_deg=0.0),
    dict(type='PackOccupancyInputs'),
]
train_dataloader = dict(
    batch_size=clip_length,
    sampler=dict(_delete_=True, type='OccupancyClipSampler', length=clip_length),
    dataset=dict(queue_length=queue_length, earlier_images=False, pipeline=train_pipeline),
)
val_dataloader = dict(dataset=dict(queue_length=queue_length))
test_dataloader = val_dataloader

model = dict(history=dict(type='OccupancyHistory', channels=24, frames=queue_length - 1))
