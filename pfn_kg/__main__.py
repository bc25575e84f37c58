"""`python -m pfn_kg` is `pfn-kg`."""

import sys

from pfn_kg.pipeline.cli import main

sys.exit(main())
