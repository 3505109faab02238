"""The benchmarks run, and the table of promises has a yes wherever Holdfast is asked."""
