"""The sums of a run's costs and errors."""

from executions.runner.block_process import Outcome
from executions.runner.run_stats import MAX_ERRORS, RunStats


def test_a_run_without_nodes_has_only_a_duration() -> None:
    stats = RunStats().summary()
    assert (stats.node_exec_count, stats.node_exec_time, stats.node_error_count, stats.error) == (0, 0.0, 0, None)
    assert stats.duration >= 0


def test_the_nodes_are_counted_and_their_times_added() -> None:
    run = RunStats()
    run.add(Outcome(outputs={}, seconds=1.5, cpu_seconds=0.5))
    run.add(Outcome(error="no", seconds=0.5, cpu_seconds=0.25))
    stats = run.summary()
    assert (stats.node_exec_count, stats.node_exec_time, stats.node_exec_time_cpu_only) == (2, 2.0, 0.75)
    assert stats.duration_cpu_only >= 0.75


def test_errors_name_their_nodes() -> None:
    run = RunStats()
    run.add_error("Words", "No words.")
    run.add_error("Report", "No report.")
    stats = run.summary()
    assert stats.node_error_count == 2
    assert stats.error == "Words: No words. Report: No report."


def test_the_first_errors_are_quoted_and_the_others_counted() -> None:
    run = RunStats()
    for number in range(MAX_ERRORS + 2):
        run.add_error(f"n{number}", "No.")
    stats = run.summary()
    assert stats.node_error_count == MAX_ERRORS + 2
    assert stats.error == "n0: No. n1: No. n2: No. And 2 more."
