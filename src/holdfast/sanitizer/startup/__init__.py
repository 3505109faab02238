"""A folder that Python subprocesses of a watched program find on their path; see sitecustomize."""
