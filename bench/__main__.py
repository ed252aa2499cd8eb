"""`python -m facebench.bench`."""

import sys

from .cli.main import main

sys.exit(main())
