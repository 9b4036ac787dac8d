"""What leaves the project: exports, models on the Hub, and Spaces."""
