"""Images are not augmented."""

_base_ = '{{$ABLATED:../../../config/occupancy_lift.py}}'

fitted = dict(type='FitSurroundImages', size=_base_.image_size)
train_pipeline = [fitted if step['type'] == fitted['type'] else step for step in _base_.train_pipeline]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
