"""The baseline-compatible model reproduces the baseline: every stage, the losses and the gradients."""

import pytest
import torch
from golden_model import FOLDER, arrays, baseline_model, batch, needs_golden, numbers

from project.models.checkpoint_names import our_name
from project.models.geometry import project
from project.models.views import CameraViews

FORWARD_TOLERANCE = 2e-5
GRADIENT_TOLERANCE = 1e-4

pytestmark = needs_golden


def difference(ours, golden):
    """Largest difference, relative to the largest value."""
    assert ours.shape == golden.shape
    return float((ours.detach() - golden).abs().max() / golden.abs().max())


@pytest.fixture(scope='module')
def model():
    return baseline_model()


@pytest.fixture(scope='module')
def views(model):
    """Places and visibility of all anchors, and the queries of each camera."""
    inputs, samples = batch()
    cameras = torch.from_numpy(samples[0].metainfo['lidar2img'])[None].float()
    places, visible = project(model.encoder.anchors, cameras, inputs['imgs'].shape[-2:])
    return places, visible, CameraViews.of(places, visible)


@pytest.fixture(scope='module')
def stages(model):
    """Our value of each of the baseline's stages, in its layout."""
    found = {}

    def keep(module, *names):
        def hook(module, inputs, output):
            outputs = [output] if isinstance(output, torch.Tensor) else output
            found.update(zip(names, outputs, strict=True))

        handles.append(module.register_forward_hook(hook))

    handles = []
    keep(model.img_backbone.maxpool, 'backbone.stem')
    keep(model.img_backbone.layer1, 'backbone.layer1')
    keep(model.img_backbone, *(f'backbone.{level}' for level in range(len(model.img_backbone.out_indices))))
    keep(model.img_neck, *(f'fpn.{level}' for level in range(model.img_neck.num_outs)))
    for index, layer in enumerate(model.encoder.layers):
        keep(layer.self_attention, f'encoder.layer{index}.self_attn')
        keep(layer.cross_attention.sampling, f'encoder.layer{index}.msda3d_rebatched')
        keep(layer.cross_attention, f'encoder.layer{index}.cross_attn')
        keep(layer, f'encoder.layer{index}')
    keep(model.encoder, 'head.bev_feature')
    for index, name in enumerate(('conv1', 'norm1', 'conv2', 'norm2')):
        keep(getattr(model.head, name), f'fusion.decoder{index}')
    inputs, samples = batch()
    with torch.no_grad():
        found['logits'] = model(inputs, samples, mode='tensor')
        found['bev_pos'] = model.encoder.position().permute(2, 0, 1)[None]
    for handle in handles:
        handle.remove()
    found['head.bev_feature'] = found['head.bev_feature'].flatten(2).transpose(1, 2)
    return found


STAGES = sorted(
    name for name in (arrays('outputs') if FOLDER.is_dir() else ()) if 'ref' not in name and name != 'bev_mask'
)


@pytest.mark.parametrize('stage', STAGES)
def test_stage(stage, stages, views):
    golden, ours = arrays('outputs')[stage], stages[stage]
    if 'rebatched' in stage:  # the rows beyond a camera's queries are padding
        valid = views[2].valid[0]
        golden, ours = golden[valid], ours[valid]
    assert difference(ours, golden) < FORWARD_TOLERANCE


@pytest.mark.parametrize('stage', sorted(arrays('outputs_float64') if FOLDER.is_dir() else ()))
def test_stage_is_as_close_to_double_precision(stage, stages):
    assert difference(stages[stage], arrays('outputs_float64')[stage]) < FORWARD_TOLERANCE


def test_cameras_see_the_same_anchors(views):
    places, visible, _ = views
    golden = arrays('outputs')
    assert torch.equal(visible.transpose(0, 1), golden['bev_mask'])
    seen = visible[0]
    assert difference(places[0][seen], golden['reference_points_cam'][:, 0][seen]) < FORWARD_TOLERANCE


def test_anchors_and_cells_are_the_baselines(model):
    golden = arrays('outputs')
    low, high = (torch.tensor(corner) for corner in (model.grid.minimum, model.grid.maximum))
    anchors = (model.encoder.anchors - low) / (high - low)
    assert difference(anchors.transpose(0, 1)[None], golden['encoder.ref_3d']) < FORWARD_TOLERANCE
    assert difference(model.encoder.reference[None, :, None], golden['encoder.ref_2d']) < FORWARD_TOLERANCE


@pytest.fixture(scope='module', params=['random', 'voxelised'])
def losses(request, model):
    """Labels' name, our losses, the logits' gradient and all others."""
    inputs, samples = batch()
    target = arrays('losses')[f'label_{request.param}']
    model.zero_grad()
    logits = model(inputs, samples, mode='tensor')
    logits.retain_grad()
    found = model.head.loss(logits, target)
    sum(found.values()).backward()
    gradients = {name: tensor.grad for name, tensor in model.named_parameters()}
    return request.param, found, logits.grad, gradients


def test_losses(losses):
    name, found, *_ = losses
    golden = numbers('losses')[f'{name}_label']
    assert found['loss_ce'].item() == pytest.approx(golden['ce'], rel=FORWARD_TOLERANCE)
    assert found['loss_lovasz'].item() == pytest.approx(golden['lovasz'], rel=FORWARD_TOLERANCE)
    assert sum(found.values()).item() == pytest.approx(golden['total'], rel=FORWARD_TOLERANCE)


def test_gradient_of_logits(losses):
    name, _, of_logits, _ = losses
    assert difference(of_logits, arrays('losses')[f'grad_logits_{name}']) < GRADIENT_TOLERANCE


def test_norms_of_all_gradients(losses):
    name, _, _, gradients = losses
    golden = numbers('losses')
    expected = {our_name(key): norm for key, norm in golden[f'grad_norms_{name}_label'].items()}
    norms = {key: float(gradient.norm()) for key, gradient in gradients.items() if gradient is not None}
    assert norms == pytest.approx(expected, rel=GRADIENT_TOLERANCE, abs=1e-7)
    total = torch.tensor(list(norms.values())).norm()
    assert float(total) == pytest.approx(golden[f'{name}_label']['grad_norm'], rel=GRADIENT_TOLERANCE)


@pytest.mark.parametrize('losses', ['random'], indirect=True)  # the labels of the golden gradients
def test_gradients(losses):
    golden = {key.removeprefix('grad.'): value for key, value in arrays('losses').items() if key.startswith('grad.')}
    assert golden
    for name, gradient in golden.items():
        assert difference(losses[-1][our_name(name)], gradient) < GRADIENT_TOLERANCE, name
