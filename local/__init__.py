"""The whole system on one machine: processes stand for AWS's services, with their data in one folder."""

import sys
from pathlib import Path

# The functions' shared code is a layer, and not installed.
sys.path.insert(0, str(Path(__file__).parents[1] / "layers" / "common"))
