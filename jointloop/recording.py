"""Verbs that keep samples and make them again: record, replay, convert."""
