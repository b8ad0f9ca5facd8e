"""What a robot feels, and what it holds."""
