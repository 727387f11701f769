"""Makes ``import oracle`` work from here, and finds the cases of the recommendation."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
