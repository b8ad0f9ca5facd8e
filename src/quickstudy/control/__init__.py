"""What a robot does with a learner: how it tries, what it then believes, and what it chooses."""
