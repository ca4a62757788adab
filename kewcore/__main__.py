"""`python -m kewcore`, the same as the `kewcore` script."""

from kewcore.cli import main

main()
