from .frame_files import read_table as read_table
from .handcuts import HandCut as HandCut
from .library import Library as Library
from .lists import SampleSet as SampleSet
from .lists import SoundList as SoundList
from .records import Record as Record
from .runinfo import RunInfo as RunInfo
from .sounds import Sound as Sound
