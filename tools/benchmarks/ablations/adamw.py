"""AdamW at 1e-3, cosine, instead of Muon."""

_base_ = '{{$ABLATED:../../../config/occupancy_lift.py}}'

optim_wrapper = dict(optimizer=dict(_delete_=True, type='AdamW', lr=1e-3, weight_decay=0.01, fused=True))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', eta_min_ratio=0.005, by_epoch=True, convert_to_iter_based=True),
]
