"""One patient's drug levels."""
