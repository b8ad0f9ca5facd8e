"""What runs in an entry's own process: the host's other side, for learners and for folders of MetaDL."""
