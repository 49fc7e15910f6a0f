"""Why traits are transferred: the paper's experiment on classifiers, and tests of its theorem and of each premise."""
