from .base import Exporter as Exporter
from .base import ExportJob as ExportJob
from .base import ExportOptions as ExportOptions
from .base import Item as Item
from .exporting import ExportReport as ExportReport
from .exporting import export as export
from .registry import format_names as format_names
from .registry import get_format as get_format
