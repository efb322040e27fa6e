"""How the documentation is made: snippets that are run, numbers that are checked, pages that are generated.

snippets.py   runs every command and every piece of Python on every page, and compares what they print
linked.py    numbers in sentences: each is compared with the network's, and leads to it in the explorer
embedding.py  explorers on pages, and the links that move them
lookup.py     a page for each layer kind, operator, command, public name and form of JSON
exercises.py  exercises, and their answers as convscope computes them
formulas.py   LaTeX as MathML, so that no script draws formulas
site.py       what the finished site must be: links, anchors, size, nothing from elsewhere
"""
