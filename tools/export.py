#!/usr/bin/env python
"""Write a trained model as one file for use elsewhere, without mmdet3d and without this project.

tools/predict_exported.py, which needs nothing else of this project, loads the file and predicts with it.
FILE.json, which is written beside it, says which cameras, image size, grid and classes the model has.
"""

import argparse
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import project.commands  # noqa: F401, ends here where a package is missing
from project.cli import run

FORMATS = {
    'torch_export': 'a program of torch.export: for this version of torch or a later one, and the kind of --device',
    'aoti': 'compiled by AOTInductor for this machine and this version of torch; needs a C++ compiler',
    'onnx': "ONNX, for onnxruntime and others; needs: pip install -e '.[export]'",
}

EXAMPLES = f"""formats:
{chr(10).join(f'  {name}: {text}' for name, text in FORMATS.items())}

examples:
  python tools/export.py config/occupancy.py work_dirs/occupancy/best_mIoU_epoch_24.pth --out occupancy.pt2
  python tools/export.py CONFIG CHECKPOINT --out occupancy.onnx
  python tools/export.py CONFIG CHECKPOINT --out occupancy.pt2 --format aoti --device cuda --amp
  python tools/predict_exported.py occupancy.pt2 --calibration rig.json --out labels.npz --images CAM_FRONT=f.jpg ...
"""


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', metavar='CONFIG', help='configuration, a Python file')
    parser.add_argument('checkpoint', metavar='CHECKPOINT', help='checkpoint of this model')
    parser.add_argument('--out', type=Path, required=True, metavar='FILE', help='file to write: .pt2, or .onnx')
    parser.add_argument(
        '--format', choices=FORMATS, help='by default onnx for a file that ends in .onnx, else torch_export'
    )
    parser.add_argument(
        '--image-size', type=image_size, default='1600x900', metavar='WxH', help='of the images as read [%(default)s]'
    )
    parser.add_argument('--device', help='where the file will compute: cpu or cuda [a GPU where there is one]')
    parser.add_argument('--amp', action='store_true', help='compute in bfloat16')
    parser.add_argument('--no-check', action='store_true', help='do not compare the file with the model')
    options = parser.parse_args(arguments)
    options.format = options.format or ('onnx' if options.out.suffix == '.onnx' else 'torch_export')
    return options


def image_size(text: str) -> tuple[int, int]:
    """Rows and columns."""
    size = re.fullmatch(r'([1-9]\d*)x([1-9]\d*)', text)
    if size is None:
        raise argparse.ArgumentTypeError(f'{text!r}: give width and height in pixels, such as 1600x900')
    return int(size[2]), int(size[1])


def main(arguments: list[str] | None = None) -> int:
    """Run the program; returns the exit code."""
    options = parse_arguments(arguments)
    # Imported late: --help and a misspelt option should answer at once.
    import project
    from project.inference.export import export

    try:
        device = options.device or ('cpu' if options.format == 'onnx' else None)
        model = project.load(options.config, options.checkpoint, device, options.amp)
        export(model, options.out, options.format, options.image_size)
        print(f'wrote {options.out} ({options.out.stat().st_size / 1e6:.0f} MB) and {options.out}.json')
        if not options.no_check:
            print(check(model, options.out, options.image_size))
    except (ValueError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    return 0


def check(model, path: Path, size: tuple[int, int]) -> str:
    """How far the model and the file agree on noise, seen by cameras that look all around.

    Raises:
        ValueError: they do not agree.
    """
    import numpy as np

    from tools.predict_exported import ExportedModel

    rng = np.random.default_rng(0)
    images = {name: rng.integers(0, 256, (*size, 3), np.uint8) for name in model.cameras}
    calibration = rig(model.cameras, model.grid.frame, size)
    expected = model.predict(images, calibration).dense()
    same = (ExportedModel(path, trust=True).predict(images, calibration) == expected).mean()
    if same < 0.95:
        raise ValueError(f'{path} was written, but gives the labels of the model for only {same:.2%} of the voxels')
    return f'checked: the labels of the model in {same:.2%} of {expected.size} voxels'


def rig(cameras: tuple[str, ...], frame: str, size: tuple[int, int]) -> dict[str, dict]:
    """Calibration of cameras at the origin of the grid's frame that look around in equal steps, 70 degrees wide."""
    import numpy as np

    focal = 0.7 * size[1]
    intrinsics = np.array([[focal, 0, size[1] / 2], [0, focal, size[0] / 2], [0, 0, 1]])
    calibration = {}
    for name, yaw in zip(cameras, np.arange(len(cameras)) * 2 * np.pi / len(cameras), strict=True):
        sine, cosine = np.sin(yaw), np.cos(yaw)
        pose = np.array([[sine, 0, cosine, 0], [-cosine, 0, sine, 0], [0, -1, 0, 0], [0, 0, 0, 1.0]])
        calibration[name] = {'intrinsics': intrinsics, f'{frame}_from_camera': pose}
    return calibration


if __name__ == '__main__':
    sys.exit(run(main))
