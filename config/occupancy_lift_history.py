"""OccupancyLift with the six keyframes before. A batch is a clip of eight keyframes that follow each other.

Each frame is computed once, for its own losses and as the past of those after it.
"""

_base_ = './occupancy_lift.py'

queue_length = 7
clip_length = 8

train_dataloader = dict(
    batch_size=clip_length,
    sampler=dict(_delete_=True, type='OccupancyClipSampler', length=clip_length),
    dataset=dict(queue_length=queue_length, earlier_images=False),
)
val_dataloader = dict(dataset=dict(queue_length=queue_length))
test_dataloader = val_dataloader

model = dict(history=dict(type='OccupancyHistory', channels=24, frames=queue_length - 1))
