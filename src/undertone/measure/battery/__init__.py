"""A few traits of a model, each read three ways: what it says of itself, what it does, what moved inside."""
