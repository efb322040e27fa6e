"""What files hold, read safely: zip archives, JSON, HDF5; and what Keras means by it."""
