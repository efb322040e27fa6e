"""The rules, one a file; this folder is discovered, so a new rule is one new file.

A file states TITLE, CERTAINTY ("fact", "predicted" or "advice"), SOURCE, and `find(subject)`, which yields
findings; NEEDS_RUN where it looks at the numbers of a run. The file's own text is the rule's page in the docs.
"""
