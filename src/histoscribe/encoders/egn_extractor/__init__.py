"""The extractor of the EGN paper: its nets and their adversarial training."""
