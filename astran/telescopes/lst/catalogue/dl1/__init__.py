"""DL1 files and data checks of a night."""
