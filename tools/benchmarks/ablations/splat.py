"""Features are splatted, not pulled."""

_base_ = '{{$ABLATED:../../../config/occupancy_lift.py}}'

model = dict(view=dict(_delete_=True, type='OccupancySplat'))
