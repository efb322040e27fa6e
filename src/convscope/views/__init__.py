"""How explanations look: neutral parts as terminal text, Markdown, LaTeX, HTML, or JSON."""
