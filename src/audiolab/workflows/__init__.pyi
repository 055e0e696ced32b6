from .demo import compare_with_truth as compare_with_truth
from .demo import demo as demo
from .demo import open_demo as open_demo
from .demo import write_truth as write_truth
from .kit import KitResult as KitResult
from .kit import song_to_kit as song_to_kit
from .tour import tour as tour
