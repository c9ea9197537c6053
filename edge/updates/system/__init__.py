"""Updates of the system: two slots, of which one is tried and confirmed or given up."""
