from .browser import SampleBrowser as SampleBrowser
from .browser import browse as browse
from .pictures import piano_roll as piano_roll
from .pictures import spectrogram as spectrogram
from .pictures import waveform as waveform
from .preview import audio_player as audio_player
from .show import show as show
