"""``python -m quickstudy``, which is also what torchrun starts: ``torchrun ... -m quickstudy train ...``."""

import sys

from quickstudy.app.cli import main

if __name__ == "__main__":
    sys.exit(main())
