"""``python -m morl``: the ``morl`` command."""

from morl.cli import main

main()
