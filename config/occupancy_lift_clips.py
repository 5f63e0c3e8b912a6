"""OccupancyLift with the six keyframes before, for many scenes: a batch is a clip of eight consecutive keyframes.

The model of occupancy_lift_history.py, which then needs a seventh of the images and less time a keyframe: each frame is
computed once, for its own losses and as the past of those after it.
"""

_base_ = './occupancy_lift.py'

queue_length = 7
clip_length = 8

# No tilt and no scale: they would move the ground from one layer of voxels to the next.
turned = dict(type='MoveOccupancyGrid', turn_deg=180.0, scale=(1.0, 1.0), tilt_deg=0.0)
train_pipeline = [turned if step['type'] == turned['type'] else step for step in _base_.train_pipeline]
train_dataloader = dict(
    batch_size=clip_length,
    sampler=dict(_delete_=True, type='OccupancyClipSampler', length=clip_length),
    dataset=dict(queue_length=queue_length, earlier_images=False, pipeline=train_pipeline),
)
val_dataloader = dict(dataset=dict(queue_length=queue_length))
test_dataloader = val_dataloader

model = dict(history=dict(type='OccupancyHistory', channels=24, frames=queue_length - 1))
