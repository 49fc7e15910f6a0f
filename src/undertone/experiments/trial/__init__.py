"""One trial: teachers, the rows that they write, students of these rows, and arm against arm."""
