"""A trained model at work: `Colorizer` and what it stands on."""
