"""A challenge of few tasks, for tests of what is done with challenges."""


def few_tasks(name: str) -> str:
    """Its file. Three seconds are one step of training, on a machine three times slower than the standard one, too."""
    return f"""
name = "{name}"
cpu = 5.0
wall = 60.0
training = 3.0
examples = [1, 2]

[[tasks]]
family = "glyphs:classes=20"
ways = [2, 3]
query = 2
episodes = 5
"""
