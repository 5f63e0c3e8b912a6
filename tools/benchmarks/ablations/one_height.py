"""The view samples at one height in each voxel."""

_base_ = '{{$ABLATED:../../../config/occupancy_lift.py}}'

model = dict(view=dict(layers=1))
