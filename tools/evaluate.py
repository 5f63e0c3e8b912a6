"""The command ``occ-evaluate`` as a script of the checkout; ``project.commands.occ_evaluate`` is what it does."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from project.commands.occ_evaluate import program

if __name__ == '__main__':
    sys.exit(program())
