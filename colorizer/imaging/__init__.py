"""Image files to RGB arrays and back, and color arithmetic."""
