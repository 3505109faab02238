"""How fast Holdfast is, as ratios to its peers in the same run; and what it keeps that they do not.

`python -m benchmarks` measures every row on the running interpreter, prints the table, writes
results/python-3.X.json and draws docs/images/speed.svg. `python -m benchmarks add` measures one
row, `--list` names them. `python -m benchmarks.gate` is the table of promises.

    __main__.py   the command            machine.py   where it ran, and how busy that place was
    rows/         one file per row       runner.py    rows in processes of their own, one by one
    row.py        runs one row           timing.py    contestants by turns, medians, spread
    line.py       a line of the table    actor.py     measuring in another interpreter
    table.py      the table as text      drawing.py   the table as a picture
    gate/         the table of promises, each cell checked by running it
"""
