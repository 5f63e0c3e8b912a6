"""The grid is mirrored."""

_base_ = '{{$ABLATED:../../../../config/occupancy.py}}'

train_pipeline = list(_base_.train_pipeline)
train_pipeline.insert(-1, dict(type='MoveOccupancyGrid', turn_deg=0.0, scale=(1.0, 1.0), tilt_deg=0.0))
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
