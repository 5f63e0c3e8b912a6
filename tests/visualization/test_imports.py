"""The rooms of the visualization: sources know nothing of pictures and pages, and nobody imports in a circle."""

import ast
from pathlib import Path

import project.visualization

ROOT = Path(project.visualization.__file__).parent
PACKAGE = project.visualization.__name__


def imports() -> dict[str, set[str]]:
    """Modules of the package that each of its modules imports, wherever in the file."""
    found = {}
    for file in ROOT.rglob('*.py'):
        name = '.'.join([PACKAGE, *file.relative_to(ROOT).with_suffix('').parts])
        nodes = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ImportFrom)]
        found[name] = {node.module for node in nodes if node.module.startswith(PACKAGE)}
    return found


def test_no_circle():
    left = imports()
    while left:
        free = {name for name, needed in left.items() if not needed & left.keys()}
        assert free, f'in a circle, or behind one: {sorted(left)}'
        left = {name: needed for name, needed in left.items() if name not in free}


def test_sources_and_pictures_do_not_know_each_other():
    for name, needed in imports().items():
        for room, other in (('sources', 'render'), ('sources', 'web'), ('render', 'sources'), ('render', 'web')):
            if name.startswith(f'{PACKAGE}.{room}.'):
                assert not any(module.startswith(f'{PACKAGE}.{other}') for module in needed), name
