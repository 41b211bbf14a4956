"""The chains of the telescopes: one package each, behind the port in `astran.telescopes`."""
