from .pictures import piano_roll as piano_roll
from .pictures import spectrogram as spectrogram
from .pictures import waveform as waveform
from .player import Player as Player
from .preview import audio_player as audio_player
from .show import show as show
