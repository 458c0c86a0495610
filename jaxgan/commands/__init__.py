"""The `jaxgan` command line, one file for each command; its first line is what `jaxgan --help` says of it.

`main.py` reads the first word and imports that command alone. Each has `main(words) -> exit code`.
"""
