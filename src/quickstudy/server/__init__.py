"""``quickstudy serve``: models that learn from examples sent over HTTP, kept in a database, asked in batches."""
