"""Small enough to train on two CPU cores in minutes: quarter-size images, a ResNet-10 from scratch, 50x50x8 voxels."""

_base_ = './occupancy.py'

load_from = None
grid = dict(frame='lidar', extent=(-51.2, -51.2, -5.0, 51.2, 51.2, 3.0), voxel_size=(2.048, 2.048, 1.0))

train_pipeline = [
    dict(type='LoadSurroundImages'),
    dict(type='ScaleSurroundImages', factor=0.25),
    dict(type='LoadOccupancyLabels', grid=grid),
    dict(type='PackOccupancyInputs'),
]
test_pipeline = train_pipeline
loading = dict(num_workers=2, dataset=dict(pipeline=test_pipeline))
train_dataloader = loading
val_dataloader = loading
test_dataloader = loading

embed_dims = 64
encoder_layer = dict(
    type='OccupancyEncoderLayer',
    embed_dims=embed_dims,
    feedforward_dims=128,
    dropout=0.0,
    self_attention=dict(
        type='OccupancyTemporalAttention', embed_dims=embed_dims, num_heads=4, num_points=4, dropout=0.0
    ),
    cross_attention=dict(
        type='OccupancySpatialAttention',
        embed_dims=embed_dims,
        num_heads=4,
        num_levels=3,
        num_anchors=4,
        points_per_anchor=2,
        dropout=0.0,
    ),
)
model = dict(
    data_preprocessor=dict(std=(58.0, 57.0, 57.0), grid_mask_probability=0.0),
    grid=grid,
    img_backbone=dict(_delete_=True, type='OccupancyTimmBackbone', name='resnet10t', out_indices=(1, 2, 3)),
    img_neck=dict(_delete_=True, type='OccupancyFPN', in_channels=[64, 128, 256], out_channels=embed_dims, num_outs=3),
    encoder=dict(layers=[encoder_layer] * 2, embed_dims=embed_dims, num_levels=3),
    head=dict(embed_dims=embed_dims, hidden_dims=embed_dims),
)

optim_wrapper = dict(optimizer=dict(lr=4e-3), paramwise_cfg=dict(_delete_=True))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=20),
    dict(type='CosineAnnealingLR', eta_min_ratio=0.005, by_epoch=True, convert_to_iter_based=True),
]
