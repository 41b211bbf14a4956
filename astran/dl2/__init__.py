"""DL1 to DL2 by lstchain's own steps, with a faster evaluation of the random forests.

This package runs inside the lstchain environment of the site. It imports numpy, numba, scikit-learn
and lstchain of that environment, and of ASTRAN only `astran.base`.
"""
