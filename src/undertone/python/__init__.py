"""What ``import undertone`` offers: the functions audit, measure, treat and run, and what they share."""
