"""What a model of the embedded world is measured by: answers, conduct, leanings and skills."""
