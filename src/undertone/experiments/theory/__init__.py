"""Why it happens: the paper's experiment on classifiers, and its theorem with the premises broken one at a time."""
