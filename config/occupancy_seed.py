"""The seed as it was, errors included: runs its checkpoints (tools/convert_checkpoint.py), and trains for comparison.

Labels come from its point files and are voxelised in its way.
"""

_base_ = './occupancy.py'

train_pipeline = [
    dict(type='LoadSurroundImages', to_float32=True),
    dict(type='LoadOccupancyLabels', grid=_base_.grid, format='points', seed_compatible=True),
    dict(type='PackOccupancyInputs'),
]
test_pipeline = train_pipeline

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

model = dict(seed_compatible=True)
param_scheduler = [dict(type='SeedCosineLR', by_epoch=False, warmup=500)]
