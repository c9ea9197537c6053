"""Texture statistics with an isolation forest or a one-class support vector machine."""
