"""Data sets of episodes with vector rewards: record them, read them, learn from them."""

from morl.data.collect import record
from morl.data.dataset import Dataset
from morl.data.episode import Episode, Header
from morl.data.minari import from_minari
from morl.data.problem import DataProblem
from morl.data.recorder import Recorder
from morl.data.summary import summary_of
from morl.data.writer import DatasetWriter

__all__ = ["DataProblem", "Dataset", "DatasetWriter", "Episode", "Header", "Recorder", "from_minari", "record", "summary_of"]
