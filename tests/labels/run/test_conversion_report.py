"""What the command prints: names and paths as they are."""

from pathlib import Path

import pytest

from project.labels.poses.refinement import PoseReport
from project.labels.run.convert import Outcome
from project.labels.run.report import Report
from project.labels.run.survey import Survey

EXACT = PoseReport('exact', 0.0, None, None, 0.8, 0.8, 7, 0)


@pytest.mark.parametrize('name', ['drive [x] ü', '[red]', 'a[/]b'])
def test_brackets_in_names_and_paths_are_shown(name, capsys):
    report = Report()
    outcomes = [Outcome(name, error=f'{name}.bin: missing')]
    report.summary(outcomes, Survey(), {}, Path(name), 1.0)
    said = capsys.readouterr().out
    assert f'written to  {name}' in said
    assert f'{name} failed: {name}.bin: missing' in said
    report.poses({name: EXACT})
    assert name in capsys.readouterr().out
