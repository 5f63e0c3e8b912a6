"""The output of data_converter.py: progress, warnings and the result of each scene."""

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from project import kernel_cache
from project.errors import shown, what_is_wrong
from project.labels.poses.refinement import PoseReport
from project.labels.run.convert import Outcome
from project.labels.run.settings import Settings
from project.labels.run.survey import Survey
from project.sources.read_points import why_missing

KEYFRAME_MB = {
    'voxels': 0.5, 'points': 3.0, 'occ3d': 0.2, 'surroundocc': 0.4, 'openoccupancy': 2.0, 'openocc': 0.1,
}  # fmt: skip
"""Size of a keyframe's file in each format, estimated high: at least twice the size in a synthetic world."""

SHOWN = 10
"""At most this many sentences of one kind are shown."""


MOST_SCENES = 20
"""At most this many are shown one by one."""


def _some(names: list[str]) -> str:
    return ', '.join(names[:5]) + (' and others' if len(names) > 5 else '')


class Report:
    """Writes results to the standard output, errors and warnings to the standard error."""

    def __init__(self) -> None:
        self._console = Console()
        self._errors = Console(stderr=True)

    def status(self, text: str) -> AbstractContextManager:
        """Show what is being done."""
        return self._console.status(escape(text))

    def error(self, error: Exception) -> None:
        """Show why the command failed."""
        self._say('error', what_is_wrong(error))

    def note(self, sentence: str) -> None:
        """Show advice that helps with an error."""
        self._errors.print(escape(sentence), highlight=False, soft_wrap=True)

    def warning(self, sentence: str) -> None:
        """Say what should be known, and stops nothing."""
        self._say('warning', sentence)

    def warn(self, seen: Survey, settings: Settings) -> None:
        """Show what was left out, and warn if camera masks are wanted and a keyframe has no camera."""
        for sentence in seen.left_out[:SHOWN]:
            self._say('warning', sentence)
        if len(seen.left_out) > SHOWN:
            self._say('warning', f'and {len(seen.left_out) - SHOWN} more of this kind')
        if seen.unlabelled:
            self._say(
                'warning',
                f'the points of {_some(seen.unlabelled)} have no categories (nuScenes-lidarseg, or `categories` in '
                'scene.json): movable classes come from boxes, ground is detected, the rest is "static"',
            )
        if seen.blind and any(map(settings.with_masks, settings.formats)):
            self._say(
                'warning',
                f'there is no image of a camera for keyframes of {_some(seen.blind)}: their mask of what cameras see '
                'is empty',
            )

    @contextmanager
    def progress(self, keyframes: int) -> Iterator[Callable[[int], None]]:
        """A progress bar; yields the function to call with the number of keyframes labelled so far."""
        columns = (
            TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), TextColumn('{task.fields[rate]}'),
            TimeRemainingColumn(),
        )  # fmt: skip
        start = time.perf_counter()
        # The vote comes last, so its functions are compiled last.
        first = (
            '' if kernel_cache.is_compiled('project.labels.voxelization.histogram') else 'compiling (first run only)'
        )
        with Progress(*columns, console=self._console) as bar:
            task = bar.add_task('keyframes', total=keyframes, rate=first if keyframes else '')

            def on_progress(done: int) -> None:
                if done:
                    rate = done / max(time.perf_counter() - start, 1e-9)
                    bar.update(task, completed=done, rate=f'{rate:.1f} keyframes/s')

            yield on_progress

    def plan(self, seen: Survey, settings: Settings) -> bool:
        """Show what would be labelled, which files are missing, and the disk space needed; returns whether all files
        exist."""
        table = Table(show_header=False, box=None)
        table.add_row('scenes', f'{len(seen.complete)}, and {len(seen.broken)} that cannot be labelled')
        table.add_row('keyframes', f'{seen.todo} to label, {seen.done} are there already')
        table.add_row('files of lidar', f'{seen.files}, {len(seen.missing)} of them missing')
        needed_gb = sum(KEYFRAME_MB[name] * count for name, count in seen.labels.items()) / 1000
        table.add_row('space', f'up to {needed_gb:.1f} GB{_free(settings.save_path)}')
        table.add_row('left out', _left_out(seen))
        self._console.print(table)
        for error in seen.broken.values():
            self._say('error', error)
        for file in seen.missing[:SHOWN]:
            self._say('error', f'{file}: missing')
        if len(seen.missing) > SHOWN:
            self._say('error', f'and {len(seen.missing) - SHOWN} more; {why_missing(seen.missing[0])}')
        return not (seen.missing or seen.broken or seen.left_out)

    def summary(
        self, outcomes: Sequence[Outcome], seen: Survey, counts: Mapping[str, int], save_path: Path, seconds: float
    ) -> None:
        """Show the results of all scenes, and the number of keyframes of each split in the index."""
        labelled = sum(outcome.labelled for outcome in outcomes)
        present = sum(outcome.present for outcome in outcomes)
        failed = [outcome for outcome in outcomes if outcome.error]
        table = Table(show_header=False, box=None)
        table.add_row('scenes', f'{len(outcomes) - len(failed)} labelled, {len(failed)} failed')
        table.add_row('keyframes', f'{labelled} labelled now, {present} were there already')
        table.add_row('time', f'{seconds:.1f} s' + (f', {seconds / labelled:.3f} s a keyframe' if labelled else ''))
        splits = ', '.join(f'{split}: {count} keyframes' for split, count in counts.items())
        table.add_row('index', splits or 'not written, for there is nothing new in it')
        table.add_row('left out', _left_out(seen))
        table.add_row('written to', escape(shown(save_path)))
        self._console.print(table)
        for outcome in failed:
            text = f'[red]{escape(outcome.scene_name)} failed:[/] {escape(shown(outcome.error or ""))}'
            self._console.print(text, highlight=False, soft_wrap=True)

    def poses(self, reports: Mapping[str, PoseReport | None]) -> None:
        """Show what was done to the poses of each scene, if anything was."""
        known = {name: report for name, report in reports.items() if report is not None}
        if not known:
            return
        table = Table('scene', 'poses', 'moved by', 'ground apart', 'walls meet', 'sweeps', box=None)
        for name, report in list(known.items())[:MOST_SCENES]:
            gaps = report.ground_gap_given_m, report.ground_gap_used_m
            ground = ' -> '.join('?' if gap is None else f'{gap:.2f} m' for gap in gaps)
            walls = f'{report.walls_met_given:.0%} -> {report.walls_met_used:.0%}'
            sweeps = f'{report.sweeps}' + (f', {report.lost} lost' if report.lost else '')
            table.add_row(escape(name), report.outcome, f'{report.moved_m:.2f} m', ground, walls, sweeps)
        self._console.print(table)
        if len(known) > MOST_SCENES:
            counts = Counter(report.outcome for report in known.values())
            parts = ', '.join(f'{count} {outcome}' for outcome, count in sorted(counts.items()))
            self._console.print(f'and {len(known) - MOST_SCENES} more scenes, in settings.json; of all: {parts}')
        failed = [name for name, report in known.items() if report.outcome == 'not registered']
        if failed:
            self._say(
                'warning',
                f'the sweeps of {", ".join(failed[:5])}{" and others" if len(failed) > 5 else ""} could not be laid '
                'to each other: there are too few static surfaces; their given poses are used',
            )

    def _say(self, kind: str, text: str) -> None:
        colour = {'error': 'red', 'warning': 'yellow'}[kind]
        self._errors.print(f'[{colour}]{kind}:[/] {escape(shown(text))}', highlight=False, soft_wrap=True)


def _free(save_path: Path) -> str:
    """What is free where labels go; a store does not say."""
    if shown(save_path) != str(save_path):
        return ''
    existing = next(path for path in (save_path, *save_path.absolute().parents) if path.exists())
    return f'; {shutil.disk_usage(existing).free / 1e9:.1f} GB are free'


def _left_out(seen: Survey) -> str:
    return f'{len(seen.left_out)} kinds of input, see the warnings' if seen.left_out else 'nothing'
