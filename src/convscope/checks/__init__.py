"""What is wrong or doubtful in a network: one rule a file in `rules/`, each finding with its own proof."""
