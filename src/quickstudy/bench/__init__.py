"""How fast, and in how much memory, meta-gradients are taken: here, and by other libraries on the same work."""
