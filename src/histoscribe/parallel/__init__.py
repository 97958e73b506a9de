"""Jobs by path: in this process, in several processes or on a cluster, with the same results."""

from histoscribe.parallel.dispatch import check, run, run_all
from histoscribe.parallel.division import ALONE, Division
from histoscribe.parallel.jobs import Job, Outcome
from histoscribe.parallel.place import InProcess, LocalProcesses, Place, Scheduler
from histoscribe.parallel.shard import Shard, in_turn
from histoscribe.parallel.worker import WorkerFacts

__all__ = [
    "ALONE",
    "Division",
    "InProcess",
    "Job",
    "LocalProcesses",
    "Outcome",
    "Place",
    "Scheduler",
    "Shard",
    "WorkerFacts",
    "check",
    "in_turn",
    "run",
    "run_all",
]
