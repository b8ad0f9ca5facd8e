"""Worlds that tasks come from, as differentiable functions of tensors; they know of tensors alone."""
