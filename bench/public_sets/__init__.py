"""Published data sets with their published protocols: trained, packed and measured on a copy."""
