from .demo import demo as demo
from .kit import KitResult as KitResult
from .kit import song_to_kit as song_to_kit
