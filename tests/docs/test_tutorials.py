"""The tutorials are notebooks kept as text, and run from top to bottom."""

import os
import sys
from pathlib import Path

import pytest

jupytext = pytest.importorskip('jupytext')
nbclient = pytest.importorskip('nbclient')

ROOT = Path(__file__).resolve().parents[2]
TUTORIALS = sorted(page.stem for page in (ROOT / 'docs/tutorials').glob('*.md') if page.stem != 'index')


@pytest.mark.slow
@pytest.mark.parametrize('name', TUTORIALS)
def test_tutorial_runs(name, tmp_path, monkeypatch):
    """Every cell runs; a shell cell fails with its first command that fails."""
    text = (ROOT / f'docs/tutorials/{name}.md').read_text(encoding='utf-8')
    text = text.replace('out/tutorial', str(tmp_path)).replace('```bash\n', '```bash\nset -euo pipefail\n')
    notebook = jupytext.reads(text, fmt='md')
    assert any(cell.cell_type == 'code' for cell in notebook.cells)
    monkeypatch.setenv('PATH', f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}')
    monkeypatch.setenv('PYTHONPATH', str(ROOT))
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    client = nbclient.NotebookClient(
        notebook, timeout=900, kernel_name='python3', resources={'metadata': {'path': str(ROOT)}}
    )
    client.execute()


def test_each_tutorial_is_in_the_navigation():
    navigation = (ROOT / 'mkdocs.yml').read_text(encoding='utf-8')
    index = (ROOT / 'docs/tutorials/index.md').read_text(encoding='utf-8')
    for name in TUTORIALS:
        assert f'tutorials/{name}.md' in navigation and f'({name}.md)' in index
