"""`python -m model_export`: the same as the command `model-export`."""

from model_export.cli import main

main()
