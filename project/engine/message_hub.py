"""mmengine's message hub (logged figures, and what hooks remember) as plain data for a checkpoint."""

from mmengine.logging import HistoryBuffer, MessageHub

from project.engine.checkpoint import plain

_KEPT_VALUES = 1000
"""Last values of each logged figure that are kept: far more than any smoothed log looks back on."""

_DESCRIPTIONS = ('cfg', 'dataset_meta')
"""Entries that describe the run and are made anew by every run."""


def hub_state(hub: MessageHub) -> dict:
    """Logged figures and remembered values as plain data; values that have no such form are left out."""
    figures = {}
    for name, buffer in hub.log_scalars.items():
        values, counts = (history[-_KEPT_VALUES:].tolist() for history in buffer.data)
        figures[name] = {'values': values, 'counts': counts}
    remembered = {}
    for name, value in hub.runtime_info.items():
        try:
            remembered[name] = plain(value)
        except TypeError:
            continue
    return {'log_scalars': figures, 'runtime_info': {k: v for k, v in remembered.items() if k not in _DESCRIPTIONS}}


def restore_hub(hub: MessageHub, state: dict) -> None:
    """Put back what :func:`hub_state`, or mmengine's own checkpoint, has saved."""
    for name, figure in state['log_scalars'].items():
        if isinstance(figure, dict):
            figure = HistoryBuffer(figure['values'], figure['counts'])
        hub.log_scalars[name] = figure
    hub.update_info_dict(state['runtime_info'])


def forget_old_values(hub: MessageHub, longest: int = 10 * _KEPT_VALUES) -> None:
    """Bound the memory of logged figures: mmengine copies all of a figure's values at each new one."""
    for buffer in hub.log_scalars.values():
        buffer.max_length = longest
