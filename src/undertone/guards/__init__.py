"""Guards: what looks at requests, answers or hidden states, and blocks what it takes for bad."""
