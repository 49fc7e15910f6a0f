"""What to do about a dataset, or a model, that carries a trait; judged by students, never by scores of rows."""
