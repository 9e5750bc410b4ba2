"""`python -m emserve` is the command `emserve`."""

import sys

from emserve.cli import main

if __name__ == "__main__":
    sys.exit(main())
