"""The engine: one tick is intake, advance, deliver."""
