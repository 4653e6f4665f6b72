"""``python -m stream`` is ``interestream``."""

from stream.commands import main

main()
