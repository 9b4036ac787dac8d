"""Many images: folders, archives and clusters."""
