"""Trains the toy with everything that configurations share."""

_base_ = '../../config/_base_/runtime.py'
custom_imports = dict(imports=['project', 'toy'], allow_failed_imports=False)

model = dict(type='ToyModel')
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    dataset=dict(type='ToyDataset', length=13),
    sampler=dict(type='DefaultSampler', shuffle=True),
)
val_dataloader = dict(
    batch_size=2,
    num_workers=0,
    dataset=dict(type='ToyDataset', length=5, test_mode=True),
    sampler=dict(type='DefaultSampler', shuffle=False),
)
test_dataloader = val_dataloader
train_cfg = dict(type='OccupancyTrainLoop', max_epochs=4, val_interval=1)
val_cfg = dict()
test_cfg = dict()
val_evaluator = dict(type='OccupancyMetric')
test_evaluator = val_evaluator
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.01), clip_grad=dict(max_norm=35))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=5),
    dict(type='CosineAnnealingLR', by_epoch=True, eta_min_ratio=0.005, convert_to_iter_based=True),
]
default_hooks = dict(
    _delete_=True,
    checkpoint=dict(type='OccupancyCheckpointHook', iteration_interval=3),
    logger=dict(type='LoggerHook', interval=1),
    machines=dict(type='OccupancyMachinesHook'),
)
custom_hooks = [dict(type='OccupancyLossCheckHook'), dict(type='OccupancyProgressHook'), dict(type='TrailHook')]
auto_scale_lr = dict(enable=False, base_batch_size=8)
