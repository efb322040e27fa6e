"""Sphinx's settings. `scripts/docs` builds the site, and runs everything on its pages."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from convscope.version import __version__

project = "convscope"
author = "The convscope authors"
copyright = author
release = version = __version__

extensions = [
    "myst_parser",
    "making.formulas",
    "making.embedding",
    "making.lookup",
    "making.exercises",
]
exclude_patterns = ["making", "images"]
myst_enable_extensions = ["deflist", "attrs_block", "attrs_inline", "dollarmath", "amsmath"]
myst_heading_anchors = 4
myst_url_schemes = ("http", "https", "mailto", "number")
myst_dmath_double_inline = True
smartquotes = False  # Conv2D("k1", 3) in a docstring's sentence is copied as it is written
suppress_warnings = [
    "myst.xref_missing_local"
]  # files of the repository; making/site.py looks at every link
nitpicky = True

html_theme = "pydata_sphinx_theme"
html_title = "convscope"
html_math_renderer = "mathml"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = [("site.js", {"defer": "defer"})]
html_show_sourcelink = False
html_copy_source = False
html_show_search_summary = False  # fetched from pages, which browsers refuse on files
html_sidebars = {
    "index": [],
    "generated/**": [],
    "learn/exercises": ["sidebar-nav-bs"],
}
html_theme_options = {
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "header_links_before_dropdown": 6,
    "show_nav_level": 1,
    "navigation_depth": 2,
    "collapse_navigation": True,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": True,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
pygments_style = "a11y-high-contrast-light"
html_context = {"default_mode": "auto"}
