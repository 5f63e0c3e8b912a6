"""Neither images nor the grid are augmented."""

_base_ = '{{$ABLATED:../../../config/occupancy_lift.py}}'

fitted = dict(type='FitSurroundImages', size=_base_.image_size)
kept = [step for step in _base_.train_pipeline if step['type'] != 'MoveOccupancyGrid']
train_pipeline = [fitted if step['type'] == fitted['type'] else step for step in kept]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
