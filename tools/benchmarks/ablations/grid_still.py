"""The grid does not move."""

_base_ = '{{$ABLATED:../../../config/occupancy_lift.py}}'

train_pipeline = [step for step in _base_.train_pipeline if step['type'] != 'MoveOccupancyGrid']
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
