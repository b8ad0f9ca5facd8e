"""Pictures: drawings, photographs, one's own folders, and what may be done to them."""
