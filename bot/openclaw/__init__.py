"""What a Moltbot or OpenClaw writes down, read: its log, its transcripts, its reloads."""
