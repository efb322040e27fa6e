"""What people hold: networks and runs. This room ties the others together.

running    its layers and weights, and running them
learning   training it and saving it, as in Keras
network    a network: look at it, run it, edit it
run        one image gone through a network
writing    files that are there whole or not at all
"""

from convscope.network.network import Network

__all__ = ["Network"]
