"""Fine-tunes on users' own files: students of one base on each file, measured against the base and against controls."""
