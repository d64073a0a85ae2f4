"""Samples on disk: written as shards, read, made again, converted."""
