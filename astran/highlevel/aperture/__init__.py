"""ON and OFF counts in an aperture: theta2, significance, counts by energy and night."""
