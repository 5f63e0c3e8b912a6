"""Hooks of mkdocs (mkdocs.yml): pages that lie outside ``docs/``, and the reference that is made from docstrings."""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
# Pages at the top level, and what they are called on the site.
TOP_PAGES = {
    'README.md': 'index.md',
    'ARCHITECTURE.md': 'architecture.md',
    'CONTRIBUTING.md': 'contributing.md',
    'CHANGELOG.md': 'changelog.md',
    'SECURITY.md': 'security.md',
}
LINK = re.compile(r'(!?\[[^\]]*\])\(([^)\s]+)\)')


def on_config(config: MkDocsConfig) -> None:
    """List a page of the reference for each package below `project/`."""
    for section in config.nav:
        for pages in section.values():
            for page in pages if isinstance(pages, list) else ():
                if isinstance(page, dict) and 'Python' in page:
                    page['Python'] = [{name: f'reference/{name}.md'} for name in packages()]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the top level and those of the reference."""
    for source, page in TOP_PAGES.items():
        text = (ROOT / source).read_text(encoding='utf-8')
        files.append(File.generated(config, page, content=moved_links(text, source)))
    for name, modules in packages().items():
        blocks = '\n\n'.join(f'::: {module}' for module in modules)
        files.append(File.generated(config, f'reference/{name}.md', content=f'# project.{name}\n\n{blocks}\n'))
    return files


def on_page_markdown(markdown: str, page, config: MkDocsConfig, files: Files) -> str:
    """Replace the links of a page in ``docs/`` that lead to files of the repository."""
    if page.file.generated_by:
        return markdown
    return moved_links(markdown, f'docs/{page.file.src_uri}')


def moved_links(text: str, source: str) -> str:
    """The text of a file whose relative links lead where the site has those pages.

    A link to code or to another file of the repository that the site does not show keeps its words only.

    Args:
        source: path of the file below the root of the repository, with slashes.
    """

    def moved(match: re.Match) -> str:
        words, link = match.groups()
        if re.match(r'[a-z]+:|#', link):
            return match[0]
        path, _, anchor = link.partition('#')
        place = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if place in TOP_PAGES:
            target = TOP_PAGES[place]
        elif place.startswith('docs/'):
            target = place.removeprefix('docs/')
        elif not (ROOT / place).exists():
            raise FileNotFoundError(f'{source}: the link to {link} leads nowhere')
        else:
            return words.removeprefix('[').removesuffix(']')
        here = posixpath.dirname(source.removeprefix('docs/')) if source.startswith('docs/') else ''
        return f'{words}({posixpath.relpath(target, here or ".")}{"#" + anchor if anchor else ""})'

    return LINK.sub(moved, text)


def packages() -> dict[str, list[str]]:
    """Public modules of each package below `project/`, by the package's name."""
    found: dict[str, list[str]] = {}
    for file in sorted((ROOT / 'project').rglob('*.py')):
        parts = file.relative_to(ROOT).with_suffix('').parts
        if any(part.startswith('_') for part in parts):
            continue
        room = parts[1] if len(parts) > 2 else 'ground floor'
        found.setdefault(room, []).append('.'.join(parts))
    return found
