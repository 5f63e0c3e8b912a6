"""Where the configuration is whose model these tests run."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / 'config' / 'occupancy_tiny.py'
