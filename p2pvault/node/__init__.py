"""The trio shell around the core: it performs effects and feeds inputs, and decides nothing."""
