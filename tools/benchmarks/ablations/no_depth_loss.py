"""No loss on the depth of pixels."""

_base_ = '{{$ABLATED:../../../config/occupancy_lift.py}}'

model = dict(image_loss=dict(depth_weight=0.0))
