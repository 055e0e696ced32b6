"""`python -m audiolab.cli`."""

from audiolab.cli import main

main()
