"""One person's glucose."""
