"""``python -m spacy_cardioner`` is the console command ``cardioner``."""

from __future__ import annotations

from spacy_cardioner.cli import main

if __name__ == "__main__":
    main()
