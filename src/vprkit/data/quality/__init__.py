"""Descriptions of images under test: objects that a text names and its image does not show.

A small equivalent of LaVPR's pipeline (arXiv 2602.03253): list the objects of a text, look for each in the image, ask
about those that were not found. What stays is doubtful and should not be in the text.
"""
