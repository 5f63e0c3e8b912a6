"""Batches of four."""

_base_ = '../../../config/occupancy_lift.py'

train_dataloader = dict(batch_size=4)
