"""What stops a trait, and what that costs: mitigations, judged by students of the treated files."""
