"""OccupancyLift with the six keyframes before, for few scenes: batches of 4, the grid turned at random.

With 57 keyframes to train on it was measured after 56 epochs (train_cfg.max_epochs=56); many scenes need fewer.
"""

_base_ = './occupancy_lift.py'

queue_length = 7

# No tilt and no scale: they would move the ground from one layer of voxels to the next.
turned = dict(type='MoveOccupancyGrid', turn_deg=180.0, scale=(1.0, 1.0), tilt_deg=0.0)
train_pipeline = [turned if step['type'] == turned['type'] else step for step in _base_.train_pipeline]
train_dataloader = dict(batch_size=4, dataset=dict(queue_length=queue_length, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(queue_length=queue_length))
test_dataloader = val_dataloader

model = dict(history=dict(type='OccupancyHistory', channels=24, frames=queue_length - 1))
