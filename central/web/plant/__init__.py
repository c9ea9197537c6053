"""Pages and API of figures, parts, reviews, lots, guidance, alarms and the fleet."""
