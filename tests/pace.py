"""How slow this machine is, for tests of a speed that is asked for."""

from quickstudy.challenge.clock import STANDARD, reference


def pace() -> float:
    """What it takes where the standard machine takes 1; 1 at the least."""
    return max(1.0, reference() / STANDARD)
