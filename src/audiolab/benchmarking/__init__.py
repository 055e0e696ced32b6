"""Scores of the stages on a user's own annotated folder: `audiolab bench STAGE --data DIR`.

The room lies beside training: it calls stages on plain files and compares what they find with what people
wrote down. It knows no library and no run. `folder` finds songs and what lies beside them, `tables`, `jams_files`
and `truth` read annotations, `signals`, `rhythm`, `pitches` and `texts` hold the metrics, `scorers` joins one stage
to its metrics, `benching` goes through a folder, `tracking` logs to MLflow if asked.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
