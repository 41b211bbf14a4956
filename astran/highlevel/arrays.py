"""Names of the array types."""

from astran.gadf.arrays import Floats as Floats
from astran.gadf.arrays import Ints as Ints
from astran.gadf.arrays import Mask as Mask
