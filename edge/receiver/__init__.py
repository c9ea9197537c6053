"""Reception of station events: drops repeats, reports gaps, and recognises copies of a station."""
