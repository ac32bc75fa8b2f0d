"""What measured programs are started with: what an installed program finds, whoever measures."""

import os
from typing import Final

ENVIRONMENT: Final = {
    name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
}
"""A package that pip installed has its bytecode beside it; without it, every start of a program
in a source tree would compile all modules anew, which takes longer than all else that it does."""
