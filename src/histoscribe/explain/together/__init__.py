"""The question `together`: whether genes that go together have maps that look alike."""
