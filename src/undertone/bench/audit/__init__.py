"""How often the audit is right: on datasets with a trait and on harmless ones, by teachers that nothing was tuned
on."""
