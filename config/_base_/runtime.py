"""How every configuration runs: hooks, logs, checkpoints, randomness."""

custom_imports = dict(imports=['project'], allow_failed_imports=False)
default_scope = 'mmdet3d'
runner_type = 'OccupancyRunner'

default_hooks = dict(
    logger=dict(type='LoggerHook', interval=50),
    # iteration_interval=500 would also save within an epoch.
    checkpoint=dict(type='OccupancyCheckpointHook', interval=1, max_keep_ckpts=2, save_best='mIoU'),
    # A picture of the first validation frame; frames=(0, 40, 80) shows more of them.
    visualization=dict(type='OccupancyVisualizationHook', interval=1),
    # On several machines, each ends when another was silent for 40 s.
    machines=dict(type='OccupancyMachinesHook', silence_s=40),
)
custom_hooks = [dict(type='OccupancyLossCheckHook'), dict(type='OccupancyProgressHook')]
log_processor = dict(type='OccupancyLogProcessor')
visualizer = dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')])

randomness = dict(seed=0)
env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
launcher = 'none'
log_level = 'INFO'
load_from = None
resume = False
