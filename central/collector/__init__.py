"""The collector: it receives events over MQTT and acknowledges what the database has committed."""
