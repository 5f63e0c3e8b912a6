"""The grid is turned by any angle, too."""

_base_ = '{{$ABLATED:../../../config/occupancy_lift.py}}'

turned = dict(type='MoveOccupancyGrid', turn_deg=180.0, scale=(1.0, 1.0), tilt_deg=0.0)
train_pipeline = [turned if step['type'] == turned['type'] else step for step in _base_.train_pipeline]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
