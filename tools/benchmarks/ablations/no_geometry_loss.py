"""No loss on occupied against free."""

_base_ = '{{$ABLATED:../../../config/occupancy_lift.py}}'

losses = _base_.model.head.losses
losses = dict(_delete_=True, ce=losses.ce, lovasz=losses.lovasz)
model = dict(head=dict(losses=losses))
