"""No losses in the images."""

_base_ = '../../../config/occupancy_lift.py'

model = dict(image_loss=None)
