from . import stages as stages
from .audio import Audio as Audio
from .config import settings as settings
from .exporters import export as export
from .library import Library as Library
from .runs import Recipe as Recipe
from .runs import Run as Run
from .runs import duplicates as duplicates
from .runs import process as process
from .runs import retag as retag
from .runs import similar as similar
<<<<<<< HEAD
from .runs import teach as teach
from .runs import uncertain as uncertain
=======
from .runs import takes as takes
>>>>>>> similar
from .widgets import show as show
