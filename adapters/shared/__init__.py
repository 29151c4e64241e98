"""What several adapters need alike; it imports no other adapter."""
