"""The log lines after validation and tests."""

import re

from mmdet3d.registry import LOG_PROCESSORS
from mmengine.runner import LogProcessor


@LOG_PROCESSORS.register_module()
class OccupancyLogProcessor(LogProcessor):
    """mmengine's, without the IoU of each class in its line: the table above has them, and scalars keep them."""

    def get_log_after_epoch(self, *args, **kwargs) -> tuple[dict, str]:
        """The scalars, and the line of the log."""
        scalars, line = super().get_log_after_epoch(*args, **kwargs)
        return scalars, re.sub(r'IoU/\w+: \S+ *', '', line)
