"""The commands, one a file, which states it as `command`; this folder is discovered.

A file's name is the command's, with - for _. A new command is one new file.
"""
