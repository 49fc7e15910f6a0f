"""Files that users have, each trained on by students of one base, and every student measured against it."""
