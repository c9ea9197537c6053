"""Events of a station: their payloads, their identity and their MQTT topics."""
