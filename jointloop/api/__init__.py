"""The functions of the public API; users reach them as `jointloop.NAME`."""
