"""A view from above instead of the volume."""

_base_ = '{{$ABLATED:../../../config/occupancy_lift.py}}'

model = dict(volume=dict(_delete_=True, type='OccupancyHeightNet'))
