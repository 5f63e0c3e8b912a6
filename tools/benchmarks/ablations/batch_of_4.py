"""Batches of four."""

_base_ = '{{$ABLATED:../../../config/occupancy_lift.py}}'

train_dataloader = dict(batch_size=4)
