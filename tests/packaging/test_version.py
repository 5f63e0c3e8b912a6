"""The version is stated once; what must repeat it says the same."""

import re
import tomllib
from pathlib import Path

import yaml

import project

ROOT = Path(__file__).parents[2]


def test_packages_read_the_version_of_the_code():
    pyproject = tomllib.loads((ROOT / 'pyproject.toml').read_text())
    assert 'version' in pyproject['project']['dynamic'] and 'version' not in pyproject['project']
    assert pyproject['tool']['setuptools']['dynamic']['version'] == {'attr': 'project.__version__'}


def test_citation_and_page_on_installation_name_this_version():
    assert yaml.safe_load((ROOT / 'CITATION.cff').read_text())['version'] == project.__version__
    wheels = re.findall(r'occupancy_bevformer-([\d.]+)-py3', (ROOT / 'docs' / 'install.md').read_text())
    assert set(wheels) == {project.__version__}


def test_the_changelog_has_dated_sections_newest_first_and_one_of_this_version():
    headings = re.findall(r'^## (.*)$', (ROOT / 'CHANGELOG.md').read_text(), re.MULTILINE)
    assert headings[0] == '[Unreleased]'
    released = [re.fullmatch(r'\[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)', each) for each in headings[1:]]
    assert all(released), headings
    versions = [tuple(map(int, each[1].split('.'))) for each in released]
    assert versions == sorted(versions, reverse=True)
    assert released[0][1] == project.__version__


def test_changes_are_sorted_by_the_kinds_of_keep_a_changelog():
    kinds = re.findall(r'^### (.*)$', (ROOT / 'CHANGELOG.md').read_text(), re.MULTILINE)
    assert set(kinds) <= {'Added', 'Changed', 'Deprecated', 'Removed', 'Fixed', 'Security'} and kinds
