"""Which pretrained weights exist, where they lie, their size, hash and licence; fetched or brought in.

Rules: nothing is opened before its sha256 is right; `find` never touches the network; `pull` does so
once a process and never if AUDIOLAB_OFFLINE=1; `import_file` takes files that were fetched elsewhere.
"""

from audiolab.weights.fetching import ensure, pull
from audiolab.weights.listed import Listed, listing
from audiolab.weights.registry import ALIASES, MODELS, File, Member, Model, official_name
from audiolab.weights.store import Bag, Weights, find, hash_file, import_file, models_folder, two_ways

__all__ = [
    "ALIASES",
    "MODELS",
    "Bag",
    "File",
    "Listed",
    "Member",
    "Model",
    "Weights",
    "ensure",
    "find",
    "hash_file",
    "import_file",
    "listing",
    "models_folder",
    "official_name",
    "pull",
    "two_ways",
]
