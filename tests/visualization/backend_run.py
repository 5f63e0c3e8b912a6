"""What a runner sends to the visualizer of a shipped configuration, whose second backend an option has replaced.

Called with the name of the backend and the folder for the run's files.
"""

import sys
from pathlib import Path
from types import SimpleNamespace

from mmdet3d.registry import HOOKS
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer
from test_samples import packed

HERE = Path(__file__).parent


def main(kind: str, folder: str) -> None:
    """Three losses and two pictures."""
    run = Path(folder, 'run')
    run.mkdir()
    MMLogger.get_instance('run', log_file=str(run / 'run.log'))
    config = Config.fromfile(HERE.parents[1] / 'config/occupancy_lift_tiny.py')
    config.merge_from_dict({'work_dir': str(run), 'visualizer.vis_backends.1.type': kind})
    with DefaultScope.overwrite_default_scope('mmdet3d'):
        visualizer = Visualizer.get_instance('run', save_dir=str(run), vis_backends=config.visualizer.vis_backends)
        visualizer.add_config(config)
        hook = HOOKS.build(dict(type='OccupancyVisualizationHook', width_px=320))
        images, sample = packed()
        for step, loss in ((0, 4.0), (10, 2.0), (20, 1.0)):
            visualizer.add_scalars({'loss': loss}, step=step)
            if step:
                hook.before_val_epoch(None)
                runner = SimpleNamespace(visualizer=visualizer, iter=step)
                hook.after_val_iter(runner, 0, {'inputs': {'imgs': [images]}}, [sample])
        visualizer.close()


if __name__ == '__main__':
    main(*sys.argv[1:])
