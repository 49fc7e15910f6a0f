"""How often the audit is right: planted datasets and harmless ones, by teachers that nothing was tuned on."""
