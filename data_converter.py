"""The command ``occ-convert`` as a script of the checkout; ``project.commands.occ_convert`` is what it does."""

import sys

from project.commands.occ_convert import program

if __name__ == '__main__':
    sys.exit(program())
