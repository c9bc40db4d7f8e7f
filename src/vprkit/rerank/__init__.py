"""Second looks at a shortlist: what systems share to re-rank candidates by their local features."""
