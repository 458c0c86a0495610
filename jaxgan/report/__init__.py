"""A run folder becomes one self-contained HTML page: no network, no script; also while the run goes on.

- `report`: the page of a run (runs.py) or of a table experiment (tables.py), with what either left to be looked at,
  listened to and read (exhibits.py)
- `curves`: losses and figures over time as a picture (runs.py)
- `read_metrics`, `grouped`: the series of a run, and how they are sorted into charts (series.py)

- `comparison`: several runs side by side, as text and as a page (comparison.py)

Pages are put together in html.py, from files that read.py reads even where they are torn.
"""

from pathlib import Path

from jaxgan.report.runs import check_run, curves, write_run
from jaxgan.report.series import grouped, read_metrics
from jaxgan.report.tables import FILE, write_table

__all__ = ["curves", "grouped", "read_metrics", "report"]


def report(run: Path) -> Path:
    """Writes `run/report.html` from whatever the run has written so far.

    It shows the tables of a table experiment or the figures and curves of a run, and the pictures, animated GIFs, WAV
    files and texts that lie in the table's folder or in the run's `samples/`.

    Args:
      run: a run folder, `runs/<experiment>/<id>/`; any of its files but one of config.json, metrics.jsonl and
        table.json may be missing, torn or incomplete.
    Returns:
      The page's path. It is replaced in one step: a reader never sees half of it.
    Raises:
      ValueError: run is not a run folder.
    """
    run = Path(run)
    if (run / FILE).is_file():
        return write_table(run)
    check_run(run)
    return write_run(run)
