"""A corpus from what Debian's package manager brings: recorded prompts, games, sound themes, voices and instruments.

`parts` lists the packages. `speech` and `sounds` read recordings in the layouts of the packages; `synthesised` speaks
and plays with the programs that they bring. `corpus` makes the manifests of both sides from all that is installed.
"""
