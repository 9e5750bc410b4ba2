"""How good a model for irradiation defects is, on a user's own labelled micrographs.

`python -m training evaluate defects` is the command.

Models are run the way they are served, judged by the published definitions of `analysis.defects`, and written out as
tables and plots. README.md beside this file says how to use it.
"""
