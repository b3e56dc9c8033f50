"""From a clone to a stack on AWS that works: `python -m deployment --help`."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

# What the functions share is not installed here: it is a layer.
sys.path.insert(0, str(ROOT / "layers" / "common"))
