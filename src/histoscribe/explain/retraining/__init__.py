"""The model of a predictor trained again: on other spots or labels, or with other settings."""
