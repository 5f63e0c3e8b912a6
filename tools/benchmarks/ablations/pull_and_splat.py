"""Features are pulled and splatted."""

_base_ = '{{$ABLATED:../../../config/occupancy_lift.py}}'

model = dict(
    view=dict(
        _delete_=True,
        type='OccupancyViews',
        views=[dict(type='OccupancyPull', layers=4), dict(type='OccupancySplat')],
    )
)
