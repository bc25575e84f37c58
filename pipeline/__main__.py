"""`python -m pipeline` is `pfn-kg`."""

import sys

from pipeline.cli import main

sys.exit(main())
