"""What guards leave of emergent misalignment, and of a student trained on what they let pass."""
