"""requirements.lock agrees with requirements.txt and the extras of pyproject.toml, and names no index."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / 'requirements.lock').read_text()
PROJECT = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']
LOCKED_EXTRAS = ('dev', 'viz')


def locked() -> dict[str, tuple[Requirement, list[str]]]:
    """The pin of each package and its hashes, by name."""
    entries = re.findall(r'^([a-zA-Z0-9].*?)((?: \\\n    --hash=\S+)+)$', LOCK, re.MULTILINE)
    pins = [(Requirement(pin), re.findall(r'--hash=(\S+)', hashes)) for pin, hashes in entries]
    return {canonicalize_name(pin.name): (pin, hashes) for pin, hashes in pins}


def asked_for() -> list[str]:
    """What requirements.txt and the extras ask for, extras of this project unfolded."""
    lines = [line.partition('#')[0].strip() for line in (ROOT / 'requirements.txt').read_text().splitlines()]
    found, extras = [line for line in lines if line], list(LOCKED_EXTRAS)
    for extra in extras:  # grows meanwhile
        for text in PROJECT['optional-dependencies'][extra]:
            requirement = Requirement(text)
            if requirement.name == PROJECT['name']:
                extras += requirement.extras
            else:
                found.append(text)
    return found


@pytest.mark.parametrize('text', sorted(asked_for()))
def test_every_package_is_locked_to_a_version_that_is_asked_for(text):
    asked = Requirement(text)
    pins = locked()
    assert canonicalize_name(asked.name) in pins, 'call make lock'
    pin, _ = pins[canonicalize_name(asked.name)]
    (version,) = [each.version for each in pin.specifier if each.operator == '==']
    assert asked.specifier.contains(version), f'{pin} is locked: call make lock'


def test_every_line_is_a_pin_with_hashes_and_names_no_index():
    pins = locked()
    assert len(pins) == len(re.findall(r'^[^\s#]', LOCK, re.MULTILINE))
    assert all(hashes and all(each.startswith('sha256:') for each in hashes) for _, hashes in pins.values())
    assert not re.search(r'://|^-|--(index|extra-index|find-links)', LOCK, re.MULTILINE)


@pytest.mark.parametrize('python', ['3.11', '3.12'])
def test_pins_are_for_both_pythons(python):
    environment = {'python_version': python, 'python_full_version': f'{python}.9'}
    needed = {canonicalize_name(Requirement(text).name) for text in asked_for()}
    applying = {name for name, (pin, _) in locked().items() if not pin.marker or pin.marker.evaluate(environment)}
    assert needed <= applying
