"""No losses in the images."""

_base_ = '{{$ABLATED:../../../config/occupancy_lift.py}}'

model = dict(image_loss=None)
