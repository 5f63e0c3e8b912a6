"""For one card of 24 GB: a ConvNeXt-T of timm, half-size images, three frames, 100x100x8 voxels.

Batch 1 takes 7 GiB with --amp, 5 GiB without CUDA graphs (OCCUPANCY_CUDA_GRAPHS=0).

Training starts from ImageNet weights, which timm downloads; model.img_backbone.pretrained=False starts without.
"""

_base_ = './occupancy.py'

load_from = None
queue_length = 3

train_pipeline = [
    # What the test pipeline does in two steps, in half of the time.
    dict(type='LoadSurroundImages', reduced_by=2),
    dict(type='DistortSurroundImages'),
    dict(type='LoadOccupancyLabels', grid=_base_.grid),
    dict(type='PackOccupancyInputs'),
]
test_pipeline = [
    dict(type='LoadSurroundImages'),
    dict(type='ScaleSurroundImages', factor=0.5),
    dict(type='LoadOccupancyLabels', grid=_base_.grid),
    dict(type='PackOccupancyInputs'),
]
train_dataloader = dict(dataset=dict(queue_length=queue_length, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(queue_length=queue_length, pipeline=test_pipeline))
test_dataloader = val_dataloader

embed_dims = 128
encoder_layer = dict(
    type='OccupancyEncoderLayer',
    embed_dims=embed_dims,
    feedforward_dims=256,
    self_attention=dict(type='OccupancyTemporalAttention', embed_dims=embed_dims),
    cross_attention=dict(
        type='OccupancySpatialAttention', embed_dims=embed_dims, num_levels=3, num_anchors=4, points_per_anchor=4
    ),
)
model = dict(
    data_preprocessor=dict(std=(57.375, 57.12, 58.395)),
    img_backbone=dict(
        _delete_=True,
        type='OccupancyTimmBackbone',
        name='convnext_tiny.in12k_ft_in1k',
        out_indices=(1, 2, 3),
        pretrained=True,
        drop_path_rate=0.1,
    ),
    img_neck=dict(_delete_=True, type='OccupancyFPN', in_channels=[192, 384, 768], out_channels=embed_dims, num_outs=3),
    encoder=dict(layers=[encoder_layer] * 3, embed_dims=embed_dims, num_levels=3),
    head=dict(embed_dims=embed_dims, hidden_dims=256),
)
