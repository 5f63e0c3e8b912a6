"""The grid does not move."""

_base_ = '../../../config/occupancy_lift.py'

train_pipeline = [step for step in _base_.train_pipeline if step['type'] != 'MoveOccupancyGrid']
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
