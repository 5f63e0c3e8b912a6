"""The volume's coarsest level is not seen from above."""

_base_ = '{{$ABLATED:../../../config/occupancy_lift.py}}'

model = dict(volume=dict(above=None))
