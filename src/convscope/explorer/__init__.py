"""The explorer: a network in the browser, where any number can be seen, clicked and taken apart."""
