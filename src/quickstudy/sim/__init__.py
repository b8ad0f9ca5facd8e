"""Bodies that tasks come from: equations that are solved for many at a time; they know of tensors alone."""
