"""A network: layers wired into a graph, with shapes, costs and receptive fields along it."""
