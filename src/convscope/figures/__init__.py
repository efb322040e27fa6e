"""Figures of a network for papers and lectures: scenes of boxes, lines, words and pixels, and their writers."""
