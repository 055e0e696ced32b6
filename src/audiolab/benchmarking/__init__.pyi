from .benching import Bench as Bench
from .benching import bench as bench
from .folder import Song as Song
from .folder import find_songs as find_songs
from .scorers import SCORERS as SCORERS
from .tables import AnnotationError as AnnotationError
from .tracking import log_bench as log_bench
from .truth import Truth as Truth
