"""Sphinx settings; warnings fail."""

project = "rlhb"
author = "the rlhb maintainers"
extensions = ["myst_parser"]
html_theme = "furo"
html_title = "rlhb"
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
