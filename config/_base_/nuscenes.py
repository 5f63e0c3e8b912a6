"""nuScenes with this project's labels, at full image size, on the grid of the baseline."""

data_root = '{{$DATA_ROOT:./project/data/nuscenes/}}'
grid = dict(frame='lidar', extent=(-51.2, -51.2, -5.0, 51.2, 51.2, 3.0), voxel_size=(1.024, 1.024, 1.0))

train_pipeline = [
    dict(type='LoadSurroundImages'),
    dict(type='DistortSurroundImages'),
    dict(type='LoadOccupancyLabels', grid=grid),
    dict(type='PackOccupancyInputs'),
]
test_pipeline = [
    dict(type='LoadSurroundImages'),
    dict(type='LoadOccupancyLabels', grid=grid),
    dict(type='PackOccupancyInputs'),
]

train_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='NuScenesOccupancyDataset',
        data_root=data_root,
        ann_file='occupancy/nuscenes_infos_train.pkl',
        frame=grid['frame'],
        queue_length=1,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='NuScenesOccupancyDataset',
        data_root=data_root,
        ann_file='occupancy/nuscenes_infos_val.pkl',
        frame=grid['frame'],
        queue_length=1,
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(type='OccupancyMetric')
test_evaluator = val_evaluator
val_cfg = dict()
test_cfg = dict()
