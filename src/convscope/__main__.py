"""python -m convscope"""

from convscope.cli import entry

entry()
