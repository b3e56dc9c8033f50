"""The whole system on one machine: everything AWS would provide, as processes of one folder."""

import sys
from pathlib import Path

# What the functions share is not installed here: it is a layer.
sys.path.insert(0, str(Path(__file__).parents[1] / "layers" / "common"))
