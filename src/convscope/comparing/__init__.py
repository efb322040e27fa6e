"""Two networks side by side: which layer is which, where their numbers first part, and why."""
