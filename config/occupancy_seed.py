"""The baseline as published, errors included: runs its checkpoints (tools/convert_checkpoint.py), or trains anew.

Labels come from its point files and are voxelised in its way.
"""

_base_ = './occupancy.py'

labels = dict(type='LoadOccupancyLabels', grid=_base_.grid, format='points', baseline_compatible=True)
train_pipeline = [
    dict(type='LoadSurroundImages'),
    dict(type='DistortSurroundImages'),
    labels,
    dict(type='PackOccupancyInputs'),
]
test_pipeline = [dict(type='LoadSurroundImages'), labels, dict(type='PackOccupancyInputs')]

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

model = dict(baseline_compatible=True)
param_scheduler = [dict(type='OccupancyBaselineLR', by_epoch=False, warmup=500)]
