"""The numbers of an analysis as types: what results.json holds, in memory, file and schema."""
