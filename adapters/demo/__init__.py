"""`changeover demo`: its config, and the requests it sends."""
