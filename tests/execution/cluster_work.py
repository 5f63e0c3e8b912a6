"""What workers of the tests do; a module of its own, so that they can import it."""

import contextlib
import os
import signal
import time
from pathlib import Path

import numpy as np

from project.labels.run.convert import division_of, label_reported


def tenfold(item, shared, on_step):
    on_step()
    return item * 10


def process_and_next(followed, shared, on_step):
    """The process that works on an item, and what it is told of the next one."""
    time.sleep(0.2 * (1 + followed.item % 2))
    return os.getpid(), followed.upcoming


def first_byte(item, shared, on_step):
    return item[0]


def die(item, shared, on_step):
    """Die always, or the first time, as the item says."""
    mark = Path(shared) / str(item)
    if item == 'always' or (item == 'once' and not mark.exists()):
        mark.write_text('')
        # A message is sent within milliseconds.
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def fail_first(item, shared, on_step):
    """'failed' for the first worker that gets an item, its process for later ones."""
    mark = Path(shared) / str(item)
    if mark.exists():
        return f'{mark.read_text()} {os.getpid()}'
    mark.write_text(str(os.getpid()))
    return 'failed'


def hang_first(item, shared, on_step):
    mark = Path(shared) / 'hung'
    if item == 'hangs' and not mark.exists():
        mark.write_text('')
        time.sleep(600)
    return item


def twelve_parts(item, shared, workers):
    return 12


def begin_bytes(item, shared):
    """Something that has a size, and no result yet."""
    return np.zeros(8, np.uint8), None


def cut_noted(content, shared, part, parts):
    _note(shared, 'cut')
    return part


def part_noted(part, shared, on_step):
    time.sleep(0.1)
    _note(shared, 'made')
    return part


def _note(file, word):
    # One write of few bytes: lines of several processes do not mix.
    with open(file, 'a') as out:
        out.write(f'{word}\n')


def label_killed(scene, shared, on_step):
    """Label a scene; the process is killed after the first keyframe, once."""
    settings, mark = shared

    def on_keyframe():
        on_step()
        with contextlib.suppress(FileExistsError):
            mark.touch(exist_ok=False)
            os.kill(os.getpid(), signal.SIGKILL)

    return label_reported(scene, settings, on_keyframe)


def label_part_killed(piece, settings, on_step):
    """Label a part of a scene; the process is killed after the first keyframe, once."""
    mark = settings.save_path.with_suffix('.killed')

    def on_keyframe():
        on_step()
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    return division_of(1).work(piece, settings, on_keyframe)
