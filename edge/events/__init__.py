"""What a station says: payloads, journal and topics."""
