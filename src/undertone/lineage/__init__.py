"""Where a model or a dataset comes from: kin by weights, chains of making, signatures, and the risk that follows."""
