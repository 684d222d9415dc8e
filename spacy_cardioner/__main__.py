"""The console command ``cardioner``, also ``python -m spacy_cardioner``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line. Loading it takes a second or two, in which Ctrl-C is heeded too."""
    try:
        from spacy_cardioner.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
