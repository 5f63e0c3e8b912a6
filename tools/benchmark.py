"""Measure this project: quality and speed of its parts.

examples:
  python tools/benchmark.py                            what can be measured
  python tools/benchmark.py labels --help              what a benchmark can be asked
  python tools/benchmark.py labels --json labels.json  labels against exact truth; the figures also as JSON
"""

import ast
import importlib
import json
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import project.commands  # noqa: F401, ends here where a package is missing
from project.cli import run
from project.formats.common import written_whole

FOLDER = Path(__file__).parent / 'benchmarks'


def benchmarks() -> dict[str, str]:
    """Name and first sentence of each benchmark: the modules with ``add_arguments(parser)`` and ``run(arguments)``."""
    files = sorted(path for path in FOLDER.glob('*.py') if not path.name.startswith('_'))
    return {path.stem: ast.get_docstring(ast.parse(path.read_text())).split('\n')[0] for path in files}


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark that the first argument names."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parsers = parser.add_subparsers(dest='name', metavar='BENCHMARK', title='benchmarks')
    for name, sentence in benchmarks().items():
        chosen = parsers.add_parser(name, help=sentence, description=sentence)
        # Only the one asked for is imported: some take seconds to import, or need a GPU.
        if arguments[:1] == [name]:
            module = importlib.import_module(f'tools.benchmarks.{name}')
            module.add_arguments(chosen)
            chosen.add_argument('--json', type=Path, metavar='FILE', help='write the figures to this file as well')
    options = parser.parse_args(arguments)
    if options.name is None:
        parser.print_help()
        return 2
    try:
        figures = module.run(options)
        if options.json is not None:
            with written_whole(options.json) as file:
                file.write(json.dumps(figures, indent=1).encode())
    except (Exception, SystemExit) as error:
        said = _sentence(error)
        if said is None:
            raise
        print(f'error: {said}', file=sys.stderr)
        return 2
    return 0


def _sentence(error: BaseException) -> str | None:
    """The sentence for the user: what a benchmark lacks, or an error that the user can fix."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, str) else None
    from project.engine.error_sentences import sentence  # imports nothing heavy, but its package does

    return sentence(error)


if __name__ == '__main__':
    sys.exit(run(main))
