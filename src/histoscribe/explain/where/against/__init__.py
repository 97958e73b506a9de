"""Something that is known of a section, to hold a map of a predictor against."""
