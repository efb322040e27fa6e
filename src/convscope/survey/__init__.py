"""A network over a whole data set: what every map does, on one machine or on several."""
