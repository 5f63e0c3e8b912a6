"""OccupancyLift on Occ3D's grid: 200x200x16 voxels of 0.4 m in the ego frame, trained and validated by its rules.

Voxels count where cameras see, and label 0 ("others") is a class like any other. The network over the volume is one
over the view from above. For labels in Occ3D's layout with masks: its own, or `data_converter.py --format occ3d`.
"""

_base_ = './occupancy_lift.py'

grid = dict(frame='ego', extent=(-40.0, -40.0, -1.0, 40.0, 40.0, 5.4), voxel_size=0.4)

train_pipeline = [
    dict(type='LoadSurroundImages'),
    dict(type='FitSurroundImages', size=_base_.image_size, scale=(0.95, 1.2), mirror=0.5, turn_deg=3.0),
    dict(type='LoadOccupancyLabels', grid=grid, format='occ3d', mask='camera'),
    dict(type='RenderOccupancy', stride=_base_.stride),
    dict(type='MoveOccupancyGrid', turn_deg=0.0, scale=(1.0, 1.0), tilt_deg=0.0),
    dict(type='PackOccupancyInputs'),
]
test_pipeline = [
    dict(type='LoadSurroundImages'),
    dict(type='FitSurroundImages', size=_base_.image_size),
    dict(type='LoadOccupancyLabels', grid=grid, format='occ3d'),
    dict(type='PackOccupancyInputs'),
]
train_dataloader = dict(dataset=dict(frame=grid['frame'], pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(frame=grid['frame'], pipeline=test_pipeline))
test_dataloader = val_dataloader

val_evaluator = dict(type='ProtocolMetric', protocols=['occ3d'])
default_hooks = dict(checkpoint=dict(save_best='occ3d/mIoU'))

losses = dict(ce=dict(ignore=(255,)), lovasz=dict(ignore=(255,)), geometry=dict(ignore=(255,)))
model = dict(
    grid=grid,
    depth_net=dict(context_channels=32),
    view=dict(layers=1),
    volume=dict(_delete_=True, type='OccupancyHeightNet', slice_channels=16, channels=(128, 192, 256)),
    head=dict(losses=losses),
)
