"""What files hold, read safely and knowing no framework: zip archives, JSON, HDF5."""
