"""The systems, one folder each; a folder's `METHOD` declares everything special to it."""
