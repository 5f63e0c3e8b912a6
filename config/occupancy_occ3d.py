"""The baseline on Occ3D's grid: 200x200x16 voxels of 0.4 m in the ego frame, trained and validated by its rules.

Voxels count where cameras see, and label 0 ("others") is a class like any other. For labels in Occ3D's layout with
masks: its own, or `data_converter.py --format occ3d`. Predictions can be submitted to it.
"""

_base_ = './occupancy.py'

grid = dict(frame='ego', extent=(-40.0, -40.0, -1.0, 40.0, 40.0, 5.4), voxel_size=0.4)

train_pipeline = [
    dict(type='LoadSurroundImages'),
    dict(type='DistortSurroundImages'),
    dict(type='LoadOccupancyLabels', grid=grid, format='occ3d', mask='camera'),
    dict(type='PackOccupancyInputs'),
]
test_pipeline = [
    dict(type='LoadSurroundImages'),
    dict(type='LoadOccupancyLabels', grid=grid, format='occ3d'),
    dict(type='PackOccupancyInputs'),
]
train_dataloader = dict(dataset=dict(frame=grid['frame'], pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(frame=grid['frame'], pipeline=test_pipeline))
test_dataloader = val_dataloader

val_evaluator = dict(type='ProtocolMetric', protocols=['occ3d'])
default_hooks = dict(checkpoint=dict(save_best='occ3d/mIoU'))

losses = dict(ce=dict(ignore=(255,)), lovasz=dict(ignore=(255,)))
# Eight times the voxels of the baseline, so half the channels between the convolutions of the volume.
model = dict(grid=grid, head=dict(hidden_dims=256, losses=losses))
