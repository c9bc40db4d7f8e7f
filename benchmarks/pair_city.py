"""What Pair-VPR's two stages bring a tiny network on drawn cities: with and without the first stage, before and after
re-ranking, on night queries of streets it never saw. One process per seed; `--rows` keeps seeds that are done.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from common import table
from train_small import interval

import vprkit
from vprkit.data.benchmark import Benchmark
from vprkit.data.city import make_city
from vprkit.evaluation.bootstrap import recall_interval
