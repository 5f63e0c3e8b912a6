"""Maps the baseline's names of parameters to ours."""

import re

from torch import Tensor

LAYER = r'pts_bbox_head\.transformer\.encoder\.layers\.(\d+)\.'

RENAMED = (
    (r'(img_backbone|img_neck)\.', r'\1.'),
    (r'pts_bbox_head\.bev_embedding\.weight$', r'encoder.queries'),
    (r'pts_bbox_head\.positional_encoding\.row_embed\.weight$', r'encoder.position.row_embed'),
    (r'pts_bbox_head\.positional_encoding\.col_embed\.weight$', r'encoder.position.column_embed'),
    (r'pts_bbox_head\.transformer\.level_embeds$', r'encoder.level_embed'),
    (r'pts_bbox_head\.transformer\.cams_embeds$', r'encoder.camera_embed'),
    (LAYER + r'attentions\.0\.', r'encoder.layers.\1.self_attention.'),
    (LAYER + r'attentions\.1\.deformable_attention\.', r'encoder.layers.\1.cross_attention.sampling.'),
    (LAYER + r'attentions\.1\.output_proj\.', r'encoder.layers.\1.cross_attention.output_proj.'),
    (LAYER + r'ffns\.0\.layers\.0\.0\.', r'encoder.layers.\1.feedforward.0.'),
    (LAYER + r'ffns\.0\.layers\.1\.', r'encoder.layers.\1.feedforward.3.'),
    (LAYER + r'norms\.', r'encoder.layers.\1.norms.'),
    (r'fusion_head\.z_embeding\.weight$', r'head.height_embed'),
    (r'fusion_head\.decoder\.0\.', r'head.conv1.'),
    (r'fusion_head\.decoder\.1\.', r'head.norm1.'),
    (r'fusion_head\.decoder\.2\.', r'head.conv2.'),
    (r'fusion_head\.decoder\.3\.', r'head.norm2.'),
    (r'fusion_head\.classifier\.', r'head.classifier.'),
    (r'pts_bbox_head\.(bev_mask|transformer\.encoder\.ref_[23]d)$', None),  # follow from the configuration
)
"""Prefixes of the baseline's names and their replacements; None for parameters that we do not need."""


def our_name(name: str) -> str | None:
    """Our name of one of the baseline's parameters; None if we do not need it.

    Raises:
        KeyError: the baseline has no such parameter.
    """
    for pattern, replacement in RENAMED:
        if re.match(pattern, name):
            return None if replacement is None else re.sub('^' + pattern, replacement, name)
    raise KeyError(name)


def convert(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The baseline's weights under our names.

    Raises:
        ValueError: a weight does not belong to the baseline.
    """
    converted, unknown = {}, []
    for name, tensor in weights.items():
        try:
            renamed = our_name(name)
        except KeyError:
            unknown.append(name)
            continue
        if renamed is not None:
            converted[renamed] = tensor
    if unknown:
        raise ValueError(f'{len(unknown)} of {len(weights)} weights are none of the baseline: {", ".join(unknown[:5])}')
    return converted
