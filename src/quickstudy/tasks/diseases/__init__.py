"""Rare diseases: patients as terms of an ontology."""
