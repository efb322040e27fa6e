"""The command line: thin; every command asks the library and prints.

Facts go to stdout, messages to stderr. Exit codes: 0 done; 1 a failure, or arithmetic that does not
agree with the engine; 2 wrong usage or something unreadable; 130 on Ctrl-C.
"""

from convscope.cli.program import entry, main

__all__ = ["entry", "main"]
