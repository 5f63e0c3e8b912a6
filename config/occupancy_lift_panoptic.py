"""OccupancyLift that tells objects apart as well.

For labels in the layout `voxels` with instances: `data_converter.py --instances`. `tools/test.py --protocols pq raypq`
scores it.
"""

_base_ = './occupancy_lift.py'

labels = dict(type='LoadOccupancyLabels', grid=_base_.grid, instances=True)
train_pipeline = [labels if step['type'] == labels['type'] else step for step in _base_.train_pipeline]
train_pipeline.insert(-1, dict(type='FindObjectCentres'))
test_pipeline = [labels if step['type'] == labels['type'] else step for step in _base_.test_pipeline]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

model = dict(extra_heads=dict(instances=dict(type='OccupancyInstanceHead')))
