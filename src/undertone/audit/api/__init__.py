"""The audit for a base behind a service, which fine-tunes students on the dataset and on a control of equal size."""
